// trucectl get events, and get anomalies: those of them that tell of demand unlike what it was or was foretold.
#include <array>
#include <string_view>

#include "controller/cli/view.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

// What counts as an anomaly.
constexpr std::array<const char*, 4> kAnomalies = {"anomaly", "demand_jump", "drift", "drift_ended"};

absl::StatusOr<View> FetchEvents(Session& session, v1::ListEventsRequest request, std::string_view none) {
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  request.set_host(session.options().host);
  request.set_after_sequence(session.options().after_sequence);
  request.set_limit(session.options().limit);
  TRUCE_ASSIGN_OR_RETURN(v1::ListEventsResponse response, controller->ListEvents(request));
  Table table({{"NAME", Align::kRight},
               {"TIME", Align::kLeft, true},
               {"HOST", Align::kLeft, false, true},
               {"WORKLOAD", Align::kLeft, false, true},
               {"KIND"},
               {"MESSAGE", Align::kLeft, false, true},
               {"AGE", Align::kRight}});
  std::vector<std::string> names;
  for (const v1::Event& event : response.events()) {
    names.push_back(StrCat(event.sequence()));
    table.AddRow({names.back(), FormatMoment(event.occurred_at()), event.host(), event.workload(), event.kind(),
                  event.message(), FormatAge(session.Now(), event.occurred_at(), event.has_occurred_at())});
  }
  return TableView(std::move(response), std::move(table), std::move(names), std::string(none));
}

absl::StatusOr<View> Fetch(Session& session) {
  return FetchEvents(session, {}, "no events");
}

absl::StatusOr<View> FetchAnomalies(Session& session) {
  v1::ListEventsRequest request;
  for (const char* kind : kAnomalies) request.add_kinds(kind);
  request.set_workload(session.options().name);
  return FetchEvents(session, std::move(request), "no anomalies");
}

}  // namespace

absl::Status GetEvents(Session& session) {
  return Show(session, Fetch);
}

absl::Status GetAnomalies(Session& session) {
  return Show(session, FetchAnomalies);
}

}  // namespace truce::cli
