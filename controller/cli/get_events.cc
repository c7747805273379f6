// trucectl get events
#include "controller/cli/view.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

absl::StatusOr<View> Fetch(Session& session) {
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  v1::ListEventsRequest request;
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
  return TableView(std::move(response), std::move(table), std::move(names), "no events");
}

}  // namespace

absl::Status GetEvents(Session& session) {
  return Show(session, Fetch);
}

}  // namespace truce::cli
