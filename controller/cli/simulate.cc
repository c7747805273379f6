// trucectl simulate: what would become of the fleet with more workloads, or without some hosts.
#include <algorithm>

#include "controller/cli/place.h"
#include "controller/cli/view.h"
#include "src/base/enum_words.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

Table PlacementTable(const v1::SimulateResponse& response) {
  Table table({{"WORKLOAD", Align::kLeft, false, true}, {"APPLICATION"}, {"CLASS"}, {"FROM"}, {"TO"}, {"WHY"}});
  for (const v1::SimulatedPlacement& one : response.placements()) {
    table.AddRow({one.workload(), one.application(), EnumCell(one.workload_class()),
                  one.source_host().empty() ? "-" : one.source_host(),
                  one.target_host().empty() ? Cell("nowhere", Tone::kBad) : Cell(one.target_host()), one.reason()});
  }
  return table;
}

}  // namespace

Table FiguresTable(const v1::FleetFigures& before, const v1::FleetFigures& after) {
  Table table({{"FLEET"}, {"NOW", Align::kRight}, {"THEN", Align::kRight}});
  table.AddRow({"hosts in use", StrCat(before.hosts_in_use()), StrCat(after.hosts_in_use())});
  table.AddRow({"hosts with too little", StrCat(before.hosts_short()), StrCat(after.hosts_short())});
  table.AddRow(
      {"fullest resource, mean", FormatRatio(before.mean_fullness_ratio()), FormatRatio(after.mean_fullness_ratio())});
  table.AddRow({"expected slowdown, weighted sum", FormatNumber(before.slowdown_ratio_sum(), 3),
                FormatNumber(after.slowdown_ratio_sum(), 3)});
  return table;
}

absl::Status Simulate(Session& session) {
  const Options& options = session.options();
  v1::SimulateRequest request;
  if (options.place.add_count > 0) {
    TRUCE_ASSIGN_OR_RETURN(*request.mutable_add(), DescribedWorkload(options));
    request.set_add_count(options.place.add_count);
  }
  for (const std::string& host : options.place.fail) {
    const auto& drain = options.place.drain;
    if (std::find(drain.begin(), drain.end(), host) == drain.end()) continue;
    return UsageError(StrCat("'", host, "' is given to both --drain and --fail; it does one or the other"));
  }
  for (const std::string& host : options.place.drain) request.add_drain_hosts(host);
  for (const std::string& host : options.place.fail) request.add_fail_hosts(host);
  for (const std::string& domain : options.place.fail_domains) request.add_fail_domains(domain);
  if (request.ByteSizeLong() == 0) {
    return UsageError("nothing is asked; give at least one of --add, --drain, --fail and --fail-domain");
  }
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  TRUCE_ASSIGN_OR_RETURN(v1::SimulateResponse response, controller->Simulate(request));
  View view;
  const uint32_t homeless = response.homeless_count();
  for (const auto& one : response.placements()) view.names.push_back(one.workload());
  std::vector<std::string> lines = {
      homeless == 0 ? "Everybody who leaves or comes finds a host."
                    : StrCat(homeless, " of ", response.placements_size(), " workloads find no host.")};
  if (response.staying_count() > 0) {
    lines.push_back(StrCat(response.staying_count(), " can't be moved and stay on hosts that were to be drained."));
  }
  view.sections.push_back({.lines = std::move(lines)});
  view.sections.push_back({.title = "Who goes where, in this order", .table = PlacementTable(response)});
  view.sections.push_back({.title = "The fleet", .table = FiguresTable(response.before(), response.after())});
  view.message = std::make_shared<v1::SimulateResponse>(std::move(response));
  return Show(session, [&view](Session&) { return view; });
}

}  // namespace truce::cli
