// A packing problem: which workload on which host, what must hold and what costs. Plain numbers in whole units that the
// caller chooses (millicores, KiB, micro-costs), so that sums are exact and plans the same everywhere.
//
//   must hold  capacity; exclusive groups; spread over domains; needs; pins
//   costs      load over the soft capacity; imbalance; hosts in use; slowdown of pairs; moves
//
// The machine reassignment problem of the ROADEF/EURO challenge 2012 (machines, processes, services, locations,
// neighborhoods) is a problem of this kind without hosts in use and pairs; lab/pack reads it.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"

namespace truce::controller::pack {

inline constexpr int32_t kNoGroup = -1;

// By workload: the host that it is on.
using Assignment = std::vector<int32_t>;

// Workloads that have something to do with each other.
struct Group {
  // No two of them on one host.
  bool exclusive = true;
  // On hosts of so many domains at least.
  int32_t spread = 0;
  // Groups one of which's workloads must be in the neighborhood of each of theirs.
  std::vector<int32_t> needs;
};

// What is free of one resource should be `target` times what is free of another; each unit that lacks costs `weight`.
struct Balance {
  int32_t resource = 0;
  int32_t other = 0;
  int64_t target = 0;
  int64_t weight = 0;
};

// Sizes are those of the vectors; R is resources(). Matrices are row by row.
struct Problem {
  // By resource: whether a workload that moves takes it on both hosts meanwhile, as memory and disk space are, and what
  // each unit of use above the soft capacity costs.
  std::vector<uint8_t> transient;
  std::vector<int64_t> load_weight;

  // [hosts, R]
  std::vector<int64_t> capacity;
  std::vector<int64_t> soft_capacity;
  // [hosts], numbered from 0: what fails together, and what is near.
  std::vector<int32_t> domain;
  std::vector<int32_t> neighborhood;
  // [hosts]: cost of a host with any workload. Empty: none.
  std::vector<int64_t> use_cost;

  // [workloads, R]
  std::vector<int64_t> demand;
  // [workloads]: kNoGroup or the number of its group.
  std::vector<int32_t> group;
  // [workloads]: cost of moving it away from where it was.
  std::vector<int64_t> move_cost;
  // [workloads]: it stays where it is. Empty: none does.
  std::vector<uint8_t> pinned;

  std::vector<Group> groups;
  std::vector<Balance> balances;
  // [hosts, hosts]: of a move from there to there, times distance_weight. Empty: 0.
  std::vector<int32_t> distance;
  int64_t distance_weight = 0;
  // Cost of each workload that was moved of the group of which most were.
  int64_t group_move_weight = 0;

  // Pairs. A workload v is slowed by the others on its host by the sum, over them and over the effects k, of
  // suffers[v, k] x hurts[other, k]: slowdowns add up as the times that they cost do. What that costs is in the units
  // of suffers: its weight belongs in there. [workloads, effects], at least 0.
  int32_t effects = 0;
  std::vector<int64_t> suffers;
  std::vector<int64_t> hurts;

  size_t resources() const { return transient.size(); }
  size_t hosts() const { return domain.size(); }
  size_t workloads() const { return group.size(); }
};

// InvalidArgument, with what is wrong: sizes that don't fit together, numbers below 0 or so large that sums overflow,
// names of what is not there.
absl::Status Check(const Problem& problem);
// The same of an assignment: its length and hosts that are there.
absl::Status CheckAssignment(const Problem& problem, const Assignment& assignment);

// What an assignment costs, from scratch, when workloads come from `before`. The searches count along instead.
struct CostParts {
  int64_t load = 0;
  int64_t balance = 0;
  int64_t use = 0;
  int64_t pairs = 0;
  int64_t moves = 0;
  int64_t distance = 0;
  int64_t group_moves = 0;
  int64_t Sum() const { return load + balance + use + pairs + moves + distance + group_moves; }
};
CostParts CostOf(const Problem& problem, const Assignment& before, const Assignment& after);

// OK, or FailedPrecondition with the first thing that must hold and doesn't. What `before` breaks counts too if it is
// still broken.
absl::Status CheckRules(const Problem& problem, const Assignment& before, const Assignment& after);

}  // namespace truce::controller::pack
