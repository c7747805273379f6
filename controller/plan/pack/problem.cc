#include "controller/plan/pack/problem.h"

#include <algorithm>
#include <limits>
#include <set>
#include <string_view>

#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::controller::pack {
namespace {

// Sums over a host and over all hosts stay below the 9.2e18 of an int64.
constexpr double kMostCost = 4e18;

absl::Status CheckSize(std::string_view what, size_t size, size_t expected, bool may_be_empty = false) {
  if (size == expected || (may_be_empty && size == 0)) return absl::OkStatus();
  return absl::InvalidArgumentError(StrCat(what, " has ", size, " numbers; it must have ", expected));
}

absl::Status CheckNumbers(std::string_view what, const std::vector<int64_t>& numbers) {
  const auto negative = std::find_if(numbers.begin(), numbers.end(), [](int64_t number) { return number < 0; });
  if (negative == numbers.end()) return absl::OkStatus();
  return absl::InvalidArgumentError(StrCat(what, " has ", *negative, "; it must be 0 or more"));
}

absl::Status CheckIndices(std::string_view what, const std::vector<int32_t>& indices, int64_t least, size_t end) {
  for (const int32_t index : indices) {
    if (index >= least && index < static_cast<int64_t>(end)) continue;
    return absl::InvalidArgumentError(StrCat(what, " ", index, " is not one of ", least, " to ", end, " - 1"));
  }
  return absl::OkStatus();
}

double Sum(const std::vector<int64_t>& numbers) {
  double sum = 0;
  for (const int64_t number : numbers) sum += static_cast<double>(number);
  return sum;
}

// An upper bound of each part of the cost.
absl::Status CheckOverflow(const Problem& problem) {
  const size_t resources = problem.resources();
  double most = Sum(problem.use_cost) + Sum(problem.move_cost);
  double demand_all = 0;
  for (size_t i = 0; i < problem.demand.size(); ++i) {
    most += static_cast<double>(problem.demand[i]) * static_cast<double>(problem.load_weight[i % resources]);
    demand_all += static_cast<double>(problem.demand[i]);
  }
  const double capacity_all = Sum(problem.capacity);
  for (const Balance& balance : problem.balances) {
    most += static_cast<double>(balance.weight) *
            (static_cast<double>(std::max<int64_t>(balance.target, 1)) * capacity_all + demand_all);
  }
  double suffers = 0;
  double hurts = 0;
  for (const int64_t one : problem.suffers) suffers += static_cast<double>(one);
  for (const int64_t one : problem.hurts) hurts += static_cast<double>(one);
  most += suffers * hurts;
  double farthest = 0;
  for (const int32_t one : problem.distance) farthest = std::max(farthest, static_cast<double>(one));
  const auto workloads = static_cast<double>(problem.workloads());
  most += workloads *
          (farthest * static_cast<double>(problem.distance_weight) + static_cast<double>(problem.group_move_weight));
  if (most < kMostCost && demand_all < kMostCost && capacity_all < kMostCost) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "weights, demands and capacities are so large that costs overflow; use larger units");
}

}  // namespace

absl::Status Check(const Problem& problem) {
  const size_t resources = problem.resources();
  const size_t hosts = problem.hosts();
  const size_t workloads = problem.workloads();
  const auto effects = static_cast<size_t>(std::max(problem.effects, 0));
  if (hosts == 0) return absl::InvalidArgumentError("there is no host");
  TRUCE_RETURN_IF_ERROR(CheckSize("the resources' load weights", problem.load_weight.size(), resources));
  TRUCE_RETURN_IF_ERROR(CheckSize("the hosts' capacities", problem.capacity.size(), hosts * resources));
  TRUCE_RETURN_IF_ERROR(CheckSize("the hosts' soft capacities", problem.soft_capacity.size(), hosts * resources));
  TRUCE_RETURN_IF_ERROR(CheckSize("the hosts' neighborhoods", problem.neighborhood.size(), hosts));
  TRUCE_RETURN_IF_ERROR(CheckSize("the hosts' use costs", problem.use_cost.size(), hosts, true));
  TRUCE_RETURN_IF_ERROR(CheckSize("the workloads' demands", problem.demand.size(), workloads * resources));
  TRUCE_RETURN_IF_ERROR(CheckSize("the workloads' move costs", problem.move_cost.size(), workloads));
  TRUCE_RETURN_IF_ERROR(CheckSize("the workloads' pins", problem.pinned.size(), workloads, true));
  TRUCE_RETURN_IF_ERROR(CheckSize("the distances", problem.distance.size(), hosts * hosts, true));
  TRUCE_RETURN_IF_ERROR(CheckSize("what workloads suffer", problem.suffers.size(), workloads * effects));
  TRUCE_RETURN_IF_ERROR(CheckSize("what workloads hurt", problem.hurts.size(), workloads * effects));
  for (const auto& [what, numbers] :
       {std::pair("a load weight", &problem.load_weight), std::pair("a capacity", &problem.capacity),
        std::pair("a soft capacity", &problem.soft_capacity), std::pair("a use cost", &problem.use_cost),
        std::pair("a demand", &problem.demand), std::pair("a move cost", &problem.move_cost),
        std::pair("what a workload suffers", &problem.suffers), std::pair("what a workload hurts", &problem.hurts)}) {
    TRUCE_RETURN_IF_ERROR(CheckNumbers(what, *numbers));
  }
  TRUCE_RETURN_IF_ERROR(CheckIndices("domain", problem.domain, 0, hosts));
  TRUCE_RETURN_IF_ERROR(CheckIndices("neighborhood", problem.neighborhood, 0, hosts));
  TRUCE_RETURN_IF_ERROR(CheckIndices("group", problem.group, kNoGroup, problem.groups.size()));
  TRUCE_RETURN_IF_ERROR(
      CheckIndices("distance", problem.distance, 0, static_cast<size_t>(std::numeric_limits<int32_t>::max())));
  for (const Group& group : problem.groups) {
    TRUCE_RETURN_IF_ERROR(CheckIndices("needed group", group.needs, 0, problem.groups.size()));
  }
  for (const Balance& balance : problem.balances) {
    TRUCE_RETURN_IF_ERROR(CheckIndices("balanced resource", {balance.resource, balance.other}, 0, resources));
    TRUCE_RETURN_IF_ERROR(CheckNumbers("a balance", {balance.target, balance.weight}));
  }
  TRUCE_RETURN_IF_ERROR(CheckNumbers("a weight of moves", {problem.distance_weight, problem.group_move_weight}));
  return CheckOverflow(problem);
}

absl::Status CheckAssignment(const Problem& problem, const Assignment& assignment) {
  TRUCE_RETURN_IF_ERROR(CheckSize("the assignment", assignment.size(), problem.workloads()));
  return CheckIndices("host", assignment, 0, problem.hosts());
}

CostParts CostOf(const Problem& problem, const Assignment& before, const Assignment& after) {
  const size_t resources = problem.resources();
  const auto effects = static_cast<size_t>(problem.effects);
  CostParts cost;
  std::vector<int64_t> used(problem.hosts() * resources);
  std::vector<int64_t> suffers(problem.hosts() * effects);
  std::vector<int64_t> hurts(problem.hosts() * effects);
  std::vector<uint8_t> in_use(problem.hosts());
  std::vector<int64_t> moved(problem.groups.size());
  for (size_t w = 0; w < after.size(); ++w) {
    const auto host = static_cast<size_t>(after[w]);
    in_use[host] = 1;
    for (size_t r = 0; r < resources; ++r) used[host * resources + r] += problem.demand[w * resources + r];
    for (size_t k = 0; k < effects; ++k) {
      suffers[host * effects + k] += problem.suffers[w * effects + k];
      hurts[host * effects + k] += problem.hurts[w * effects + k];
      // Nobody slows itself.
      cost.pairs -= problem.suffers[w * effects + k] * problem.hurts[w * effects + k];
    }
    if (before[w] == after[w]) continue;
    cost.moves += problem.move_cost[w];
    if (!problem.distance.empty()) {
      cost.distance +=
          problem.distance_weight * problem.distance[static_cast<size_t>(before[w]) * problem.hosts() + host];
    }
    if (problem.group[w] != kNoGroup) ++moved[static_cast<size_t>(problem.group[w])];
  }
  if (!moved.empty()) cost.group_moves = problem.group_move_weight * *std::max_element(moved.begin(), moved.end());
  for (size_t host = 0; host < problem.hosts(); ++host) {
    const int64_t* use = &used[host * resources];
    const int64_t* capacity = &problem.capacity[host * resources];
    for (size_t r = 0; r < resources; ++r) {
      cost.load += problem.load_weight[r] * std::max<int64_t>(0, use[r] - problem.soft_capacity[host * resources + r]);
    }
    for (const Balance& balance : problem.balances) {
      cost.balance +=
          balance.weight * std::max<int64_t>(0, balance.target * (capacity[balance.resource] - use[balance.resource]) -
                                                    (capacity[balance.other] - use[balance.other]));
    }
    if (!problem.use_cost.empty() && in_use[host] != 0) cost.use += problem.use_cost[host];
    for (size_t k = 0; k < effects; ++k) cost.pairs += suffers[host * effects + k] * hurts[host * effects + k];
  }
  return cost;
}

absl::Status CheckRules(const Problem& problem, const Assignment& before, const Assignment& after) {
  const size_t resources = problem.resources();
  std::vector<int64_t> used(problem.hosts() * resources);
  std::vector<std::set<int32_t>> hosts(problem.groups.size());
  std::vector<std::set<int32_t>> domains(problem.groups.size());
  std::vector<std::set<int32_t>> neighborhoods(problem.groups.size());
  for (size_t w = 0; w < after.size(); ++w) {
    const auto host = static_cast<size_t>(after[w]);
    const auto left = static_cast<size_t>(before[w]);
    if (host != left && !problem.pinned.empty() && problem.pinned[w] != 0) {
      return absl::FailedPreconditionError(StrCat("workload ", w, " is pinned to host ", left));
    }
    for (size_t r = 0; r < resources; ++r) {
      used[host * resources + r] += problem.demand[w * resources + r];
      if (host != left && problem.transient[r] != 0) {
        used[left * resources + r] += problem.demand[w * resources + r];
      }
    }
    if (problem.group[w] == kNoGroup) continue;
    const auto group = static_cast<size_t>(problem.group[w]);
    if (!hosts[group].insert(after[w]).second && problem.groups[group].exclusive) {
      return absl::FailedPreconditionError(StrCat("group ", group, " has two workloads on host ", host));
    }
    domains[group].insert(problem.domain[host]);
    neighborhoods[group].insert(problem.neighborhood[host]);
  }
  for (size_t i = 0; i < used.size(); ++i) {
    if (used[i] <= problem.capacity[i]) continue;
    return absl::FailedPreconditionError(StrCat("host ", i / resources, " is asked for ", used[i], " of resource ",
                                                i % resources, " and has ", problem.capacity[i]));
  }
  for (size_t group = 0; group < problem.groups.size(); ++group) {
    // A group without workloads needs no place.
    if (!domains[group].empty() && std::ssize(domains[group]) < problem.groups[group].spread) {
      return absl::FailedPreconditionError(StrCat("group ", group, " is spread over ", domains[group].size(),
                                                  " domains and must be over ", problem.groups[group].spread));
    }
    for (const int32_t need : problem.groups[group].needs) {
      const auto& near = neighborhoods[static_cast<size_t>(need)];
      if (std::includes(near.begin(), near.end(), neighborhoods[group].begin(), neighborhoods[group].end())) continue;
      return absl::FailedPreconditionError(
          StrCat("group ", group, " is in a neighborhood without group ", need, ", which it needs"));
    }
  }
  return absl::OkStatus();
}

}  // namespace truce::controller::pack
