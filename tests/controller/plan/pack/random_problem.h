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

// The cheapest assignment that breaks no rule, by trying all of them.
inline int64_t CheapestOfAll(const RandomProblem& drawn) {
  const auto hosts = static_cast<int32_t>(drawn.problem.hosts());
  Assignment assignment(drawn.before.size(), 0);
  int64_t cheapest = CostOf(drawn.problem, drawn.before, drawn.before).Sum();
  while (true) {
    if (const int64_t cost = CostOf(drawn.problem, drawn.before, assignment).Sum();
        cost < cheapest && CheckRules(drawn.problem, drawn.before, assignment).ok()) {
      cheapest = cost;
    }
    size_t at = 0;
    while (at < assignment.size() && ++assignment[at] == hosts) assignment[at++] = 0;
    if (at == assignment.size()) return cheapest;
  }
}

}  // namespace truce::controller::pack
