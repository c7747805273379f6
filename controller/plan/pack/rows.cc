#include "controller/plan/pack/rows.h"

#include <algorithm>

namespace truce::controller::pack {
namespace {

size_t Filled(size_t count) {
  return (count + Rows::kBlock - 1) / Rows::kBlock * Rows::kBlock;
}

}  // namespace

Rows::Rows(const Problem& problem) {
  const size_t resources = problem.resources();
  std::vector<size_t> passing;
  std::vector<size_t> lasting;
  std::vector<size_t> priced;
  for (size_t r = 0; r < resources; ++r) {
    (problem.transient[r] != 0 ? passing : lasting).push_back(r);
    if (problem.load_weight[r] > 0) priced.push_back(r);
  }
  transient = Filled(passing.size());
  capacity = transient + Filled(lasting.size());
  width = capacity + Filled(priced.size() + problem.balances.size());
  // One row of [R] numbers, and what is free beyond the soft capacity.
  const auto fill = [&](const int64_t* hard, const int64_t* soft, int64_t* row) {
    for (size_t i = 0; i < passing.size(); ++i) row[i] = hard[passing[i]];
    for (size_t i = 0; i < lasting.size(); ++i) row[transient + i] = hard[lasting[i]];
    int64_t* at = row + capacity;
    for (const size_t r : priced) *at++ = problem.load_weight[r] * soft[r];
    for (const Balance& balance : problem.balances) {
      *at++ = balance.weight * (hard[balance.other] - balance.target * hard[balance.resource]);
    }
  };
  // A soft capacity may be any number; one that nobody gets to is as good, and can be multiplied.
  std::vector<int64_t> demand_of_all(resources);
  for (size_t i = 0; i < problem.demand.size(); ++i) demand_of_all[i % resources] += problem.demand[i];
  std::vector<int64_t> soft(resources);
  hosts.resize(problem.hosts() * width);
  for (size_t h = 0; h < problem.hosts(); ++h) {
    for (size_t r = 0; r < resources; ++r) {
      soft[r] = std::min(problem.soft_capacity[h * resources + r], demand_of_all[r]);
    }
    fill(&problem.capacity[h * resources], soft.data(), &hosts[h * width]);
  }
  workloads.resize(problem.workloads() * width);
  for (size_t w = 0; w < problem.workloads(); ++w) {
    fill(&problem.demand[w * resources], &problem.demand[w * resources], &workloads[w * width]);
  }
}

}  // namespace truce::controller::pack
