// In which order the workloads of a plan move, one after the other, so that every rule holds after each step.
#pragma once

#include <cstdint>
#include <vector>

#include "controller/plan/pack/problem.h"

namespace truce::controller::pack {

struct Move {
  int32_t workload = 0;
  int32_t from = 0;
  int32_t to = 0;
  bool operator==(const Move&) const = default;
};

struct MoveOrder {
  // A workload moves twice when it has to wait elsewhere until there is room.
  std::vector<Move> moves;
  // Where they lead: `after`, or short of it.
  Assignment reached;
  // Workloads that can't get to where `after` has them, because they wait for each other; `moves` then ends where it is
  // cheapest, which may be at once.
  std::vector<int32_t> stuck;
};

// From `before` to `after`, both sound; `before` breaks no rule. A workload is counted on its old host until it has
// moved, and on its new one from then on: what is transient matters only to those that move at the same time.
MoveOrder OrderMoves(const Problem& problem, const Assignment& before, const Assignment& after);

}  // namespace truce::controller::pack
