#include "lab/pack/pack_roadef.h"

#include <algorithm>
#include <chrono>

#include "lab/pack/roadef.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

using controller::pack::Annealed;
using controller::pack::Assignment;
using controller::pack::CheckRules;
using controller::pack::CostOf;
using controller::pack::CostParts;
using controller::pack::Problem;

FigureTable Figures(const Problem& problem, const Assignment& before, const Annealed& found, absl::Duration spent) {
  FigureTable table;
  const auto add = [&](std::string name, double value, std::string unit) {
    table.Add({std::move(name), value, std::move(unit), std::nullopt, std::nullopt});
  };
  int64_t moved = 0;
  for (size_t w = 0; w < before.size(); ++w) moved += before[w] != found.assignment[w];
  const CostParts parts = CostOf(problem, before, found.assignment);
  add("machines", static_cast<double>(problem.hosts()), "");
  add("processes", static_cast<double>(problem.workloads()), "");
  add("cost before", static_cast<double>(found.cost_before), "");
  add("cost", static_cast<double>(found.cost), "");
  add("of it load", static_cast<double>(parts.load), "");
  add("of it balance", static_cast<double>(parts.balance), "");
  add("of it moves", static_cast<double>(parts.moves + parts.distance + parts.group_moves), "");
  add("processes moved", static_cast<double>(moved), "");
  add("changes priced", static_cast<double>(found.priced) / absl::ToDoubleSeconds(spent), "1/s");
  return table;
}

}  // namespace

absl::StatusOr<FigureTable> PackRoadef(const RoadefFiles& files, const controller::pack::AnnealOptions& options) {
  TRUCE_ASSIGN_OR_RETURN(const Problem problem, ReadRoadefModel(files.model));
  TRUCE_ASSIGN_OR_RETURN(const Assignment before, ReadRoadefAssignment(files.initial, problem));
  if (const absl::Status holds = CheckRules(problem, before, before); !holds.ok()) {
    return absl::InvalidArgumentError(StrCat(files.initial, " breaks a rule of ", files.model, ": ",
                                             StdView(holds.message()), "; give an assignment that breaks none"));
  }
  const auto begun = std::chrono::steady_clock::now();
  TRUCE_ASSIGN_OR_RETURN(const Annealed found, Anneal(problem, before, options));
  const absl::Duration spent = absl::FromChrono(std::chrono::steady_clock::now() - begun);
  // From scratch, not by the search's own count.
  TRUCE_RETURN_IF_ERROR(CheckRules(problem, before, found.assignment));
  if (const int64_t cost = CostOf(problem, before, found.assignment).Sum(); cost != found.cost) {
    return absl::InternalError(StrCat("the search says that it costs ", found.cost, ", and it costs ", cost));
  }
  TRUCE_RETURN_IF_ERROR(WriteRoadefAssignment(found.assignment, files.output));
  return Figures(problem, before, found, std::max(spent, absl::Microseconds(1)));
}

}  // namespace truce::lab
