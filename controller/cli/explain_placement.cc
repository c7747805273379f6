// trucectl explain placement WORKLOAD: why it is where it is, and what the next three hosts would be.
#include "controller/cli/place.h"
#include "controller/cli/view.h"
#include "src/base/enum_words.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

Table NeighbourTable(const v1::HostInterference& interference) {
  Table table({{"NEIGHBOUR", Align::kLeft, false, true},
               {"APPLICATION"},
               {"CLASS"},
               {"HURTS-IT", Align::kRight},
               {"IS-HURT", Align::kRight},
               {"KNOWN"}});
  for (const v1::NeighbourInterference& one : interference.neighbours()) {
    table.AddRow({one.workload(), one.application(), EnumCell(one.workload_class()), FormatRatio(one.hurts_ratio()),
                  FormatRatio(one.suffers_ratio()), one.known() ? "yes" : "no"});
  }
  return table;
}

std::string Comparison(const v1::ExplainPlacementResponse& response) {
  if (response.alternatives().empty()) return "No other host has room for it.";
  const double gain = response.current().price() - response.alternatives(0).price();
  const std::string& other = response.alternatives(0).host();
  if (response.current().has_price() && gain <= 0) {
    return StrCat("No other host would be better; ", other, " comes next.");
  }
  return StrCat("Placed anew, it would go to ", other, "; whether that is worth a move, trucectl get advice says.");
}

absl::StatusOr<View> Fetch(Session& session) {
  v1::ExplainPlacementRequest request;
  request.mutable_running()->set_workload(session.options().aggressor);
  request.mutable_running()->set_host(session.options().host);
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  TRUCE_ASSIGN_OR_RETURN(v1::ExplainPlacementResponse response, controller->ExplainPlacement(request));
  const v1::WorkloadDescription& workload = response.workload();
  std::vector<const v1::HostScore*> scores = {&response.current()};
  for (const v1::HostScore& other : response.alternatives()) scores.push_back(&other);
  View view;
  view.names = {response.current().host()};
  view.sections.push_back(
      {.lines = {StrCat(workload.name(), " is on ", response.current().host(), ": ", response.current().reason(), "."),
                 StrCat("Set aside for it: ", FormatNumber(workload.cpu_cores(), 2), " cores and ",
                        FormatBytes(static_cast<double>(workload.memory_bytes())), " of memory."),
                 Comparison(response)}});
  view.sections.push_back({.title = "Its host and the next best", .table = HostScoreTable(scores)});
  if (response.has_interference() && response.interference().neighbours_size() > 0) {
    view.sections.push_back({.title = "Its neighbours", .table = NeighbourTable(response.interference())});
  }
  view.message = std::make_shared<v1::ExplainPlacementResponse>(std::move(response));
  return view;
}

}  // namespace

absl::Status ExplainPlacement(Session& session) {
  return Show(session, Fetch);
}

}  // namespace truce::cli
