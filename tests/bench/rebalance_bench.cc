// truce-bench place, second half: the optimizer on a fleet of which some hosts are crowded, against a bound.
#include <algorithm>
#include <limits>
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

// What one host has to do about its CPUs.
struct Crowd {
  // Millicores above its soft capacity, and what each costs that stays.
  int64_t over = 0;
  int64_t weight = 0;
  // Those who may leave.
  struct One {
    int64_t frees = 0;
    int64_t costs = 0;
  };
  std::vector<One> movable;
};

std::vector<Crowd> CrowdsOf(const Problem& problem, const controller::pack::Assignment& now) {
  constexpr size_t kCpu = controller::kPlaceCpuCores;
  const size_t resources = problem.resources();
  std::vector<Crowd> crowds(problem.hosts());
  for (size_t h = 0; h < crowds.size(); ++h) {
    crowds[h] = {-problem.soft_capacity[h * resources + kCpu], problem.load_weight[kCpu], {}};
  }
  for (size_t w = 0; w < now.size(); ++w) {
    Crowd& crowd = crowds[static_cast<size_t>(now[w])];
    const int64_t frees = problem.demand[w * resources + kCpu];
    crowd.over += frees;
    if (problem.pinned[w] == 0 && frees > 0) crowd.movable.push_back({frees, problem.move_cost[w]});
  }
  return crowds;
}

// No plan costs less than the sum over hosts of what it takes to bring each below its soft capacity, or to leave it
// above, when who leaves finds room anywhere: the linear program without the rows of those who take them in. When
// workloads may leave in parts, each host is a fractional knapsack (Dantzig 1957): those first that cost least for what
// they free.
double BoundInParts(const std::vector<Crowd>& crowds) {
  double bound = 0;
  for (Crowd crowd : crowds) {
    std::sort(crowd.movable.begin(), crowd.movable.end(), [](const Crowd::One& a, const Crowd::One& b) {
      return static_cast<double>(a.costs) / static_cast<double>(a.frees) <
             static_cast<double>(b.costs) / static_cast<double>(b.frees);
    });
    auto over = static_cast<double>(std::max<int64_t>(0, crowd.over));
    for (const Crowd::One& one : crowd.movable) {
      const double freed = std::min(over, static_cast<double>(one.frees));
      const double each = static_cast<double>(one.costs) / static_cast<double>(one.frees);
      bound += freed * std::min(each, static_cast<double>(crowd.weight));
      over -= freed;
    }
    bound += over * static_cast<double>(crowd.weight);
  }
  return bound;
}

// The same when they leave whole: the linear program over sets of leavers (Dantzig and Wolfe 1960), whose columns are
// knapsacks, each solved by dynamic programming over what is freed.
double BoundWhole(const std::vector<Crowd>& crowds) {
  double bound = 0;
  for (const Crowd& crowd : crowds) {
    if (crowd.over <= 0) continue;
    const auto over = static_cast<size_t>(crowd.over);
    // By what is freed at least, the least that it costs.
    std::vector<int64_t> least(over + 1);
    for (size_t freed = 0; freed <= over; ++freed) {
      least[freed] = freed == 0 ? 0 : std::numeric_limits<int64_t>::max() / 2;
    }
    for (const Crowd::One& one : crowd.movable) {
      const auto frees = static_cast<size_t>(one.frees);
      for (size_t freed = over; freed > 0; --freed) {
        least[freed] = std::min(least[freed], one.costs + least[freed > frees ? freed - frees : 0]);
      }
    }
    int64_t best = std::numeric_limits<int64_t>::max();
    for (size_t freed = 0; freed <= over; ++freed) {
      best = std::min(best, least[freed] + crowd.weight * static_cast<int64_t>(over - freed));
    }
    bound += static_cast<double>(best);
  }
  return bound;
}

}  // namespace

absl::Status RunRebalanceBench(const PlaceBenchOptions& options, const Surroundings& surroundings,
                               BenchResult* result) {
  const PlaceFleet fleet = MakePlaceFleet(options.rebalance_hosts, 20 * options.rebalance_hosts, 1, kLoad);
  TRUCE_ASSIGN_OR_RETURN(const controller::FleetProblem problem, MakeProblem(fleet, *surroundings.clock));
  const std::vector<Crowd> crowds = CrowdsOf(problem.problem, problem.now);
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
  const auto gap = [&](double bound) { return before > bound ? 100 * (cost_after - bound) / (before - bound) : 0; };
  result->table.Add({.name = "rebalance, gap to the linear bound",
                     .value = gap(BoundWhole(crowds)),
                     .unit = "%",
                     .target = AtMost(1)});
  result->table.Add(
      {.name = "rebalance, gap if workloads could leave in parts", .value = gap(BoundInParts(crowds)), .unit = "%"});
  return absl::OkStatus();
}

}  // namespace truce::bench
