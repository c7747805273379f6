// trucectl place: chooses a host for a workload. trucectl release: ends what that reserved.
#include "controller/cli/place.h"

#include <algorithm>

#include "controller/cli/view.h"
#include "src/base/enum_words.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::cli {

absl::StatusOr<v1::WorkloadDescription> DescribedWorkload(const Options& options) {
  v1::WorkloadDescription workload = options.wanted;
  if (!options.workload_class.empty()) {
    workload.set_workload_class(EnumFromWord<v1::WorkloadClass>(options.workload_class));
  }
  const PlaceFlags& flags = options.place;
  const double asked = workload.cpu_cores() + workload.disk_bytes_per_second() + workload.disk_operations_per_second() +
                       workload.network_bytes_per_second();
  if (workload.application().empty() && asked <= 0 && flags.memory_bytes == 0) {
    return UsageError("nothing is said of the workload; give at least one of --application, --cpu and --memory");
  }
  workload.set_memory_bytes(flags.memory_bytes);
  for (const std::string& other : flags.beside) {
    if (std::find(flags.apart_from.begin(), flags.apart_from.end(), other) == flags.apart_from.end()) continue;
    return UsageError(StrCat("'", other, "' is given to both --apart-from and --beside; leave it out of one of them"));
  }
  v1::PlacementRules rules;
  rules.set_most_per_host(flags.most_per_host);
  rules.set_most_per_fault_domain(flags.most_per_fault_domain);
  rules.set_one_numa_node(flags.one_numa_node);
  for (const std::string& other : flags.apart_from) rules.add_apart_from(other);
  for (const std::string& other : flags.beside) rules.add_beside(other);
  if (rules.ByteSizeLong() > 0) *workload.mutable_rules() = rules;
  return workload;
}

Table HostScoreTable(const std::vector<const v1::HostScore*>& scores) {
  Table table({{"HOST"},
               {"SCORE", Align::kRight},
               {"FREE-CPU", Align::kRight},
               {"FREE-MEMORY", Align::kRight},
               {"SLOWDOWN", Align::kRight},
               {"NEIGHBOURS", Align::kRight},
               {"WORST-SCORE", Align::kRight},
               {"WHY", Align::kLeft, true}});
  for (const v1::HostScore* score : scores) {
    table.AddRow({score->host(), score->fits() ? FormatNumber(score->score(), 1) : "no room",
                  FormatNumber(score->free_cpu_cores(), 2),
                  FormatBytes(static_cast<double>(score->free_memory_bytes())),
                  score->has_slowdown_ratio() ? FormatRatio(score->slowdown_ratio()) : "-",
                  score->has_neighbours_slowdown_ratio() ? FormatRatio(score->neighbours_slowdown_ratio()) : "-",
                  FormatNumber(score->worst_contention_score(), 0), score->reason()});
  }
  return table;
}

absl::Status Place(Session& session) {
  const Options& options = session.options();
  v1::PlaceRequest request;
  TRUCE_ASSIGN_OR_RETURN(*request.mutable_workload(), DescribedWorkload(options));
  for (const std::string& host : options.place.hosts) request.add_hosts(host);
  request.set_request_id(options.place.request_id);
  request.set_validate_only(options.dry_run);
  if (options.place.reserve_seconds > 0) request.mutable_time_to_live()->set_seconds(options.place.reserve_seconds);
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  TRUCE_ASSIGN_OR_RETURN(v1::PlaceResponse response, controller->Place(request));
  std::vector<const v1::HostScore*> scores = {&response.chosen()};
  for (const v1::HostScore& other : response.alternatives()) scores.push_back(&other);
  const std::string host = response.chosen().host();
  const std::string reserved = response.reservation_id();
  View view = TableView(response, HostScoreTable(scores), {host}, "");
  view.sections.front().lines = {
      StrCat("Best is ", host, ": ", response.chosen().reason(), "."),
      reserved.empty() ? "Nothing is reserved: this was a dry run."
                       : StrCat("Reserved there as ", reserved, " (trucectl release ", reserved, " gives it back)."),
      ""};
  return Show(session, [&view](Session&) { return view; });
}

absl::Status Release(Session& session) {
  v1::ReleaseRequest request;
  request.set_reservation_id(session.options().name);
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  TRUCE_ASSIGN_OR_RETURN(const v1::ReleaseResponse response, controller->Release(request));
  return ShowAnswer(session, response,
                    response.released() ? StrCat("reservation ", request.reservation_id(), " has ended")
                                        : StrCat("there is no reservation ", request.reservation_id(),
                                                 " any more: it ended by itself, or never was"));
}

}  // namespace truce::cli
