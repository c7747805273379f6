// What Truce moves in the simulated fleet: ours.h.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "controller/plan/pack/anneal.h"
#include "controller/plan/pack/order.h"
#include "lab/fleet/policies/ours.h"
#include "src/base/status.h"

namespace truce::lab::fleet {
namespace {

using controller::pack::Annealed;
using controller::pack::AnnealOptions;
using controller::pack::Assignment;
using controller::pack::kNoGroup;
using controller::pack::MoveOrder;
using controller::pack::Problem;

// Whole units: thousandths of a core, MiB, and of a critical workload's slowdown what both sides of a pair make of it.
constexpr double kMilli = 1'000;
constexpr double kMebi = 1'024;
constexpr double kSuffersUnit = 1e3;
constexpr double kHurtsUnit = 1e7;
constexpr double kCostUnit = kSuffersUnit * kHurtsUnit;
// Of thousandths of a core: more than any host has.
constexpr int64_t kAnyP95 = 1'000'000'000;
constexpr size_t kResources = 3;

int64_t Whole(double value) {
  return static_cast<int64_t>(std::llround(value));
}

}  // namespace

double Ours::CostOf(size_t host) const {
  const controller::pack::PlaceHost& state = *index_.Find(static_cast<int32_t>(host));
  double cost = options_.core_cost * std::max(0.0, -state.free[kP95]);
  // What a workload would do to itself is in there too; it tells hosts apart all the same.
  for (size_t r = 0; r < kEffects; ++r) cost += state.suffers[r] * state.hurts[r] * ledger_.hosts()[host].cpus;
  return cost;
}

std::vector<std::vector<size_t>> Ours::Bunches() const {
  const size_t hosts = ledger_.hosts().size();
  std::vector<double> costs(hosts);
  for (size_t host = 0; host < hosts; ++host) costs[host] = CostOf(host);
  std::vector<size_t> order(hosts);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return costs[a] > costs[b]; });
  const size_t count = (hosts + options_.hosts_together - 1) / options_.hosts_together;
  std::vector<std::vector<size_t>> bunches(count);
  for (size_t i = 0; i < hosts; ++i) bunches[(i + plans_) % count].push_back(order[i]);
  return bunches;
}

Problem Ours::MakeProblem(const std::vector<size_t>& hosts, std::vector<int64_t>* workloads, Assignment* before) const {
  Problem problem;
  problem.transient = {0, 1, 0};
  problem.load_weight = {0, 0, Whole(options_.core_cost * kCostUnit / kMilli)};
  double cpus = 0;
  for (const size_t host : hosts) cpus += ledger_.hosts()[host].cpus / static_cast<double>(hosts.size());
  absl::flat_hash_map<int64_t, int32_t> groups;
  for (size_t h = 0; h < hosts.size(); ++h) {
    const HostFacts& facts = ledger_.hosts()[hosts[h]];
    const Load most = ledger_.Most(hosts[h]);
    const int64_t p95 = Whole(options_.most_p95_ratio * facts.cpus * kMilli);
    // Of what workloads will need nothing is forbidden, only dear.
    const int64_t capacity[kResources] = {Whole(most.cpus * kMilli), Whole(most.memory_gib * kMebi), kAnyP95};
    const int64_t soft[kResources] = {capacity[0], capacity[1], p95};
    problem.capacity.insert(problem.capacity.end(), std::begin(capacity), std::end(capacity));
    problem.soft_capacity.insert(problem.soft_capacity.end(), std::begin(soft), std::end(soft));
    problem.domain.push_back(facts.domain);
    problem.neighborhood.push_back(0);
    for (const int64_t workload : ledger_.on(hosts[h])) {
      const Request& request = *ledger_.Find(workload);
      const Believed& believed = believed_.at(workload);
      workloads->push_back(workload);
      before->push_back(static_cast<int32_t>(h));
      problem.demand.push_back(Whole(request.cpus * kMilli));
      problem.demand.push_back(Whole(request.memory_gib * kMebi));
      problem.demand.push_back(Whole(believed.p95_cores * kMilli));
      problem.move_cost.push_back(Whole(options_.move_cost * kCostUnit));
      const Effects suffers = Suffers(request, believed);
      const Effects hurts = Hurts(believed);
      for (size_t r = 0; r < kEffects; ++r) {
        // Hosts of different sizes count as one of their mean size: the optimizer knows no pair that depends on the
        // host.
        problem.suffers.push_back(Whole(suffers[r] * kSuffersUnit));
        problem.hurts.push_back(Whole(hurts[r] / cpus * kHurtsUnit));
      }
      problem.pinned.push_back(0);
      if (request.group < 0) {
        problem.group.push_back(kNoGroup);
        continue;
      }
      // Those of its group on other hosts are not in here: Plan sees to it that they stay apart.
      const auto [it, is_new] = groups.try_emplace(request.group, static_cast<int32_t>(problem.groups.size()));
      if (is_new) problem.groups.emplace_back();
      problem.group.push_back(it->second);
    }
  }
  problem.effects = kEffects;
  return problem;
}

absl::Status Ours::Plan(const std::vector<size_t>& hosts, int32_t most, Ledger* then, std::vector<Move>* moves) {
  std::vector<int64_t> workloads;
  Assignment before;
  const Problem problem = MakeProblem(hosts, &workloads, &before);
  if (workloads.empty() || most <= 0) return absl::OkStatus();
  AnnealOptions search;
  search.time = absl::InfiniteDuration();
  search.iterations = options_.tries * std::ssize(workloads);
  search.seed = options_.seed + plans_++;
  search.most_moved = most;
  TRUCE_ASSIGN_OR_RETURN(const Annealed found, controller::pack::Anneal(problem, before, search));
  if (found.cost >= found.cost_before) return absl::OkStatus();
  const MoveOrder order = controller::pack::OrderMoves(problem, before, found.assignment);
  for (const controller::pack::Move& step : order.moves) {
    if (most-- == 0) break;
    const Move move = {workloads[static_cast<size_t>(step.workload)], hosts[static_cast<size_t>(step.from)],
                       hosts[static_cast<size_t>(step.to)]};
    // What waited for a move that was left out is left out, too.
    if (then->HostOf(move.workload) != move.from || !then->MayMove(move.workload, move.to)) continue;
    then->Move(move.workload, move.to);
    moves->push_back(move);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Move>> Ours::Rebalance(const MoveBudget& budget) {
  std::vector<Move> moves;
  if (!options_.rebalances) return moves;
  const std::vector<std::vector<size_t>> bunches = Bunches();
  Ledger then = ledger_;
  for (size_t i = 0; i < bunches.size(); ++i) {
    // What one leaves of its part is for the others.
    const auto left = static_cast<size_t>(budget.most_moves) - moves.size();
    TRUCE_RETURN_IF_ERROR(Plan(bunches[i], static_cast<int32_t>(left / (bunches.size() - i)), &then, &moves));
  }
  return moves;
}

}  // namespace truce::lab::fleet
