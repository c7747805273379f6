// Who is elsewhere than before, and what that costs: each move by itself, and the moves of the group of which most were
// moved. Counted along as workloads move. Not thread-safe; made by Packing.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "controller/plan/pack/problem.h"

namespace truce::controller::pack {

class Moved {
 public:
  // What moves cost of which there would be too many.
  static constexpr int64_t kTooMany = std::numeric_limits<int64_t>::max();

  // Both sound, and `problem` outlives this. Nobody is anywhere yet.
  Moved(const Problem& problem, const Assignment& before);

  const Assignment& before() const { return before_; }
  int32_t count() const { return count_; }
  void Limit(int32_t most) { most_ = most; }
  bool IsAway(int32_t workload, int32_t host) const { return before_[static_cast<size_t>(workload)] != host; }
  // Of being there instead of where it was; without what the group costs.
  int64_t PriceOfBeing(int32_t workload, int32_t host) const;
  // What the largest number of a group's costs.
  int64_t cost_of_groups() const { return problem_->group_move_weight * most_of_a_group_; }

  struct Step {
    int32_t workload = 0;
    int32_t from = 0;
    int32_t to = 0;
  };
  // By how much the cost changes when all of the steps, of different workloads, are made; two of them at most.
  int64_t Price(const Step& step) const { return Price(&step, 1); }
  int64_t Price(const Step& one, const Step& other) const;

  // Counts a workload that comes (1) to or goes (-1) from a host.
  void Count(int32_t workload, int32_t host, int sign);

 private:
  int64_t Price(const Step* steps, size_t count) const;

  const Problem* problem_;
  Assignment before_;
  int32_t count_ = 0;
  int32_t most_ = std::numeric_limits<int32_t>::max();
  // Groups by how many of their workloads were moved, and the largest number.
  std::vector<int32_t> of_group_;
  std::vector<int32_t> groups_with_;
  int32_t most_of_a_group_ = 0;
};

}  // namespace truce::controller::pack
