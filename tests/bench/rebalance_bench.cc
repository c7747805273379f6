// truce-bench place, second half: the optimizer on a fleet of which some hosts are crowded, against a bound.
#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "controller/plan/pack/anneal.h"
#include "controller/plan/pack/order.h"
#include "controller/plan/place/advise.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "tests/bench/bench.h"
#include "tests/bench/place_fleet.h"

namespace truce::bench {
namespace {

using controller::pack::Problem;

// Workloads are so much larger than in the first half that some hosts are crowded.
constexpr double kLoad = 1.7;

absl::StatusOr<controller::FleetProblem> MakeProblem(const PlaceFleet& content, const Clock& clock) {
  controller::Places places({.instance = "bench"}, clock);
  controller::Fleet fleet({});
  const controller::Moment now = controller::MomentOf(clock);
  for (size_t h = 0; h < content.hellos.size(); ++h) {
    TRUCE_ASSIGN_OR_RETURN(const auto accepted, fleet.OnHello(h + 1, content.hellos[h], now));
    if (const auto refusal = fleet.OnReport(*accepted.host, content.reports[h], now)) {
      return absl::InternalError(refusal->detail);
    }
    places.OnHost(*accepted.host, {});
  }
  controller::FleetProblem problem = controller::ProblemOf(places.Snapshot(), {});
  // A linear program can't have pairs, and groups would make it looser.
  problem.problem.effects = 0;
  problem.problem.suffers.clear();
  problem.problem.hurts.clear();
  problem.problem.groups.clear();
  std::fill(problem.problem.group.begin(), problem.problem.group.end(), controller::pack::kNoGroup);
  return problem;
}

// No plan costs less than the sum over hosts of what it takes to bring each below its soft capacity, or to leave it
// above, when workloads may leave in parts and find room anywhere: the linear program without the rows of those who
// take them in. Each host is a fractional knapsack (Dantzig 1957): those first that cost least for what they free.
double Bound(const Problem& problem, const controller::pack::Assignment& now) {
  const size_t resources = problem.resources();
  double bound = 0;
  std::vector<std::vector<size_t>> on(problem.hosts());
  for (size_t w = 0; w < now.size(); ++w) on[static_cast<size_t>(now[w])].push_back(w);
  for (size_t h = 0; h < problem.hosts(); ++h) {
    constexpr size_t r = controller::kPlaceCpuCores;
    const auto weight = static_cast<double>(problem.load_weight[r]);
    double over = -static_cast<double>(problem.soft_capacity[h * resources + r]);
    for (const size_t w : on[h]) over += static_cast<double>(problem.demand[w * resources + r]);
    const auto price = [&](size_t w) {
      const auto frees = static_cast<double>(problem.demand[w * resources + r]);
      return problem.pinned[w] != 0 || frees <= 0 ? weight : static_cast<double>(problem.move_cost[w]) / frees;
    };
    std::sort(on[h].begin(), on[h].end(), [&](size_t a, size_t b) { return price(a) < price(b); });
    for (const size_t w : on[h]) {
      if (over <= 0) break;
      const double freed = std::min(over, static_cast<double>(problem.demand[w * resources + r]));
      bound += freed * std::min(price(w), weight);
      over -= freed;
    }
    bound += std::max(0.0, over) * weight;
  }
  return bound;
}

}  // namespace

absl::Status RunRebalanceBench(const PlaceBenchOptions& options, const Surroundings& surroundings,
                               BenchResult* result) {
  const PlaceFleet fleet = MakePlaceFleet(options.rebalance_hosts, 20 * options.rebalance_hosts, 1, kLoad);
  TRUCE_ASSIGN_OR_RETURN(const controller::FleetProblem problem, MakeProblem(fleet, *surroundings.clock));
  const double bound = Bound(problem.problem, problem.now);
  const absl::Duration begin = surroundings.clock->Monotonic();
  TRUCE_ASSIGN_OR_RETURN(
      const controller::pack::Annealed annealed,
      controller::pack::Anneal(problem.problem, problem.now,
                               {.time = options.rebalance_time, .threads = 2, .stop = surroundings.stop}));
  const auto order = controller::pack::OrderMoves(problem.problem, problem.now, annealed.assignment);
  const absl::Duration took = surroundings.clock->Monotonic() - begin;
  const auto before = static_cast<double>(annealed.cost_before);
  const auto cost_after =
      static_cast<double>(controller::pack::CostOf(problem.problem, problem.now, order.reached).Sum());
  result->notes.push_back(StrCat("rebalance: ", problem.problem.hosts(), " hosts, ", problem.now.size(), " workloads, ",
                                 order.moves.size(), " moves; gap: (cost - bound) / (cost before - bound)"));
  result->table.Add({.name = "rebalance, with the order of moves",
                     .value = absl::ToDoubleSeconds(took),
                     .unit = "s",
                     .target = AtMost(10.5)});
  result->table.Add({.name = "rebalance, gap to the linear bound",
                     .value = before > bound ? 100 * (cost_after - bound) / (before - bound) : 0,
                     .unit = "%",
                     .target = AtMost(1)});
  return absl::OkStatus();
}

}  // namespace truce::bench
