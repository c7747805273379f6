// What would be moved to make the fleet better: the fleet as a packing problem, improved within a budget of time and
// moves, and the moves in an order in which there is room at every step. Pure, and long: seconds.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controller/plan/pack/problem.h"
#include "controller/plan/place/places.h"
#include "truce/v1/scheduler.pb.h"

namespace truce::controller {

struct AdviseOptions {
  // Of the search; and its seed. The same advice every time only where `iterations` end it.
  absl::Duration time = absl::Seconds(10);
  int64_t iterations = std::numeric_limits<int64_t>::max();
  uint64_t seed = 1;
  // At most so many workloads move.
  int32_t most_moves = 20;
  // What one more host in use costs, as a slowdown (SlowdownWeight x fraction) that it is worth to be without it. 0:
  // hosts cost nothing, and nobody is crowded to spare one.
  double host_cost = 0;
  // Set by another thread to end it early.
  const std::atomic<bool>* stop = nullptr;
};

// What a move costs, as a slowdown: whatever it wins must be worth more. By the memory that is copied: a gigabyte takes
// ten seconds of a tenth less work, spread over half an hour (kMoveHorizon), and any move is a risk.
double MovePenalty(double memory_bytes);

// The snapshot's hosts that are open, and their workloads, as the optimizer sees them.
struct FleetProblem {
  pack::Problem problem;
  pack::Assignment now;
  // By host of the problem: the snapshot's. By workload: its host of the snapshot, and which resident it is there.
  std::vector<size_t> hosts;
  std::vector<std::pair<size_t, size_t>> workloads;
  // What was left out of account, in a sentence; empty: nothing.
  std::string incomplete;
};
// Units are millicores, MiB, KiB/s and operations; costs are millionths of a slowdown. Workloads of one application
// that are all on different hosts stay so, and are in as many fault domains as before: what rules they were placed by
// is not reported. What may not be moved is pinned; reservations and what is on its way take their room.
FleetProblem ProblemOf(const PlacesSnapshot& snapshot, const AdviseOptions& options);

// `version` and `made_at` are left to the caller.
absl::StatusOr<v1::Advice> Advise(const PlacesSnapshot& snapshot, const AdviseOptions& options);

}  // namespace truce::controller
