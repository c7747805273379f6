// Small packing problems with everything in them, and assignments that break no rule, drawn from a seed.
#pragma once

#include <algorithm>
#include <optional>
#include <random>

#include "controller/plan/pack/packing.h"
#include "controller/plan/pack/problem.h"

namespace truce::controller::pack {

struct RandomProblem {
  Problem problem;
  Assignment before;
};

// Hosts are roomy or tight, groups may be exclusive, spread and need each other, pairs hurt, some workloads are pinned.
inline RandomProblem DrawProblem(uint64_t seed, int most_workloads = 12, int most_hosts = 6) {
  std::mt19937_64 random(seed);
  const auto draw = [&](int64_t least, int64_t most) {
    return std::uniform_int_distribution<int64_t>(least, most)(random);
  };
  RandomProblem drawn;
  Problem& problem = drawn.problem;
  const auto resources = static_cast<size_t>(draw(1, 3));
  const auto hosts = static_cast<size_t>(draw(2, most_hosts));
  const auto workloads = static_cast<size_t>(draw(1, most_workloads));
  const int64_t groups = draw(0, 4);
  for (size_t r = 0; r < resources; ++r) {
    problem.transient.push_back(static_cast<uint8_t>(draw(0, 1)));
    problem.load_weight.push_back(draw(0, 5));
  }
  for (size_t w = 0; w < workloads; ++w) {
    for (size_t r = 0; r < resources; ++r) problem.demand.push_back(draw(0, 10));
    problem.group.push_back(static_cast<int32_t>(draw(-1, groups - 1)));
    problem.move_cost.push_back(draw(0, 20));
  }
  if (draw(0, 3) == 0) {
    for (size_t w = 0; w < workloads; ++w) problem.pinned.push_back(draw(0, 4) == 0 ? 1 : 0);
  }
  const bool has_use_cost = draw(0, 1) == 1;
  for (size_t h = 0; h < hosts; ++h) {
    problem.domain.push_back(static_cast<int32_t>(draw(0, static_cast<int64_t>(hosts) - 1)));
    problem.neighborhood.push_back(
        static_cast<int32_t>(draw(0, std::min<int64_t>(2, static_cast<int64_t>(hosts) - 1))));
    if (has_use_cost) problem.use_cost.push_back(draw(0, 50));
    drawn.before.reserve(workloads);
  }
  for (size_t w = 0; w < workloads; ++w) {
    drawn.before.push_back(static_cast<int32_t>(draw(0, static_cast<int64_t>(hosts) - 1)));
  }
  std::vector<int64_t> used(hosts * resources);
  for (size_t w = 0; w < workloads; ++w) {
    for (size_t r = 0; r < resources; ++r) {
      used[static_cast<size_t>(drawn.before[w]) * resources + r] += problem.demand[w * resources + r];
    }
  }
  for (const int64_t one : used) {
    problem.capacity.push_back(one + draw(0, 15));
    problem.soft_capacity.push_back(draw(0, problem.capacity.back()));
  }
  for (int64_t g = 0; g < groups; ++g) {
    Group& group = problem.groups.emplace_back();
    std::vector<int32_t> on;
    std::vector<int32_t> domains;
    for (size_t w = 0; w < workloads; ++w) {
      if (problem.group[w] != g) continue;
      on.push_back(drawn.before[w]);
      domains.push_back(problem.domain[static_cast<size_t>(drawn.before[w])]);
    }
    std::sort(on.begin(), on.end());
    std::sort(domains.begin(), domains.end());
    group.exclusive = std::adjacent_find(on.begin(), on.end()) == on.end() && draw(0, 2) > 0;
    const auto spread = std::unique(domains.begin(), domains.end()) - domains.begin();
    group.spread = static_cast<int32_t>(draw(0, spread));
  }
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t need = 0; need < groups; ++need) {
      if (draw(0, 2) != 0) continue;
      problem.groups[static_cast<size_t>(g)].needs.push_back(static_cast<int32_t>(need));
      if (!CheckRules(problem, drawn.before, drawn.before).ok())
        problem.groups[static_cast<size_t>(g)].needs.pop_back();
    }
  }
  if (resources > 1 && draw(0, 1) == 1) {
    problem.balances.push_back({0, 1, draw(0, 3), draw(0, 4)});
  }
  if (draw(0, 1) == 1) {
    for (size_t i = 0; i < hosts * hosts; ++i) problem.distance.push_back(static_cast<int32_t>(draw(0, 4)));
    problem.distance_weight = draw(0, 3);
  }
  problem.group_move_weight = draw(0, 5);
  problem.effects = static_cast<int32_t>(draw(0, 2));
  for (size_t i = 0; i < workloads * static_cast<size_t>(problem.effects); ++i) {
    problem.suffers.push_back(draw(0, 5));
    problem.hurts.push_back(draw(0, 5));
  }
  return drawn;
}

// The cheapest of all assignments that break no rule and cost less than `known`, or `known`: tries all of them, one
// workload after the other, but for those of which it is clear halfway that they break a capacity or cost as much.
class CheapestOfAll {
 public:
  explicit CheapestOfAll(const RandomProblem& drawn)
      : problem_(drawn.problem), before_(drawn.before), assignment_(drawn.before), left_(problem_.capacity) {
    // Who moves takes what is transient where it was all the same; so that is taken from the beginning.
    for (size_t w = 0; w < before_.size(); ++w) Take(w, before_[w], 1, true);
  }

  int64_t Below(int64_t known) {
    cheapest_ = known;
    Place(0);
    return cheapest_;
  }

 private:
  // What is transient there, or the rest.
  void Take(size_t w, int32_t host, int64_t sign, bool transient) {
    const size_t resources = problem_.resources();
    for (size_t r = 0; r < resources; ++r) {
      if ((problem_.transient[r] != 0) != transient) continue;
      left_[static_cast<size_t>(host) * resources + r] -= sign * problem_.demand[w * resources + r];
    }
  }
  bool IsShort(int32_t host) const {
    const auto first = left_.begin() + static_cast<int64_t>(static_cast<size_t>(host) * problem_.resources());
    return std::any_of(first, first + static_cast<int64_t>(problem_.resources()), [](int64_t one) { return one < 0; });
  }
  // Of the first `count` alone; more of them never make load, hosts in use, pairs and moves cheaper.
  int64_t CostOfFirst(size_t count) const {
    const size_t resources = problem_.resources();
    const auto effects = static_cast<size_t>(problem_.effects);
    int64_t cost = 0;
    for (size_t h = 0; h < problem_.hosts(); ++h) {
      std::vector<int64_t> sums(resources + 2 * effects);
      bool used = false;
      for (size_t w = 0; w < count; ++w) {
        if (static_cast<size_t>(assignment_[w]) != h) continue;
        used = true;
        for (size_t r = 0; r < resources; ++r) sums[r] += problem_.demand[w * resources + r];
        for (size_t k = 0; k < effects; ++k) {
          const int64_t suffers = problem_.suffers[w * effects + k];
          const int64_t hurts = problem_.hurts[w * effects + k];
          cost += suffers * sums[resources + effects + k] + hurts * sums[resources + k];
          sums[resources + k] += suffers;
          sums[resources + effects + k] += hurts;
        }
        if (assignment_[w] != before_[w]) cost += problem_.move_cost[w];
      }
      for (size_t r = 0; r < resources; ++r) {
        cost += problem_.load_weight[r] * std::max<int64_t>(0, sums[r] - problem_.soft_capacity[h * resources + r]);
      }
      if (used && !problem_.use_cost.empty()) cost += problem_.use_cost[h];
    }
    return cost;
  }
  void Place(size_t w) {
    if (w == before_.size()) {
      if (const int64_t cost = CostOf(problem_, before_, assignment_).Sum();
          cost < cheapest_ && CheckRules(problem_, before_, assignment_).ok()) {
        cheapest_ = cost;
      }
      return;
    }
    for (int32_t host = 0; host < static_cast<int32_t>(problem_.hosts()); ++host) {
      const bool moves = host != before_[w];
      if (moves && !problem_.pinned.empty() && problem_.pinned[w] != 0) continue;
      assignment_[w] = host;
      Take(w, host, 1, false);
      if (moves) Take(w, host, 1, true);
      if (!IsShort(host) && CostOfFirst(w + 1) < cheapest_) Place(w + 1);
      Take(w, host, -1, false);
      if (moves) Take(w, host, -1, true);
    }
  }

  const Problem& problem_;
  const Assignment& before_;
  Assignment assignment_;
  std::vector<int64_t> left_;
  int64_t cheapest_ = 0;
};

}  // namespace truce::controller::pack
