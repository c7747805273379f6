#include "controller/plan/pack/moved.h"

#include <algorithm>
#include <array>

namespace truce::controller::pack {
namespace {

size_t Index(int32_t number) {
  return static_cast<size_t>(number);
}

}  // namespace

Moved::Moved(const Problem& problem, const Assignment& before)
    : problem_(&problem), before_(before), of_group_(problem.groups.size()), groups_with_(problem.workloads() + 1) {
  groups_with_[0] = static_cast<int32_t>(problem.groups.size());
}

int64_t Moved::PriceOfBeing(int32_t workload, int32_t host) const {
  const Problem& problem = *problem_;
  if (!IsAway(workload, host)) return 0;
  int64_t price = problem.move_cost[Index(workload)];
  if (!problem.distance.empty()) {
    price +=
        problem.distance_weight * problem.distance[Index(before_[Index(workload)]) * problem.hosts() + Index(host)];
  }
  return price;
}

int64_t Moved::Price(const Step& one, const Step& other) const {
  const std::array<Step, 2> steps = {one, other};
  return Price(steps.data(), steps.size());
}

int64_t Moved::Price(const Step* steps, size_t count) const {
  const Problem& problem = *problem_;
  struct Change {
    int32_t group = kNoGroup;
    int32_t by = 0;
  };
  std::array<Change, 2> changes;
  int64_t price = 0;
  int32_t more = 0;
  size_t changed = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto [workload, from, to] = steps[i];
    price += PriceOfBeing(workload, to) - PriceOfBeing(workload, from);
    const int32_t by = (IsAway(workload, to) ? 1 : 0) - (IsAway(workload, from) ? 1 : 0);
    more += by;
    const int32_t group = problem.group[Index(workload)];
    if (by != 0 && group != kNoGroup) changes[changed++] = {group, by};
  }
  if (more > 0 && count_ > most_ - more) return kTooMany;
  if (problem.group_move_weight == 0 || changed == 0) return price;
  if (changed == 2 && changes[0].group == changes[1].group) {
    changes[0].by += changes[1].by;
    --changed;
  }
  int32_t highest = 0;
  for (size_t i = 0; i < changed; ++i) highest = std::max(highest, of_group_[Index(changes[i].group)] + changes[i].by);
  const auto others_with = [&](int32_t moved) {
    int32_t groups = groups_with_[Index(moved)];
    for (size_t i = 0; i < changed; ++i) groups -= of_group_[Index(changes[i].group)] == moved ? 1 : 0;
    return groups;
  };
  int32_t most = most_of_a_group_;
  while (most > highest && others_with(most) == 0) --most;
  return price + problem.group_move_weight * (std::max(most, highest) - most_of_a_group_);
}

void Moved::Count(int32_t workload, int32_t host, int sign) {
  if (!IsAway(workload, host)) return;
  count_ += sign;
  const int32_t group = problem_->group[Index(workload)];
  if (group == kNoGroup) return;
  int32_t& moved = of_group_[Index(group)];
  --groups_with_[Index(moved)];
  moved += sign;
  ++groups_with_[Index(moved)];
  most_of_a_group_ = std::max(most_of_a_group_, moved);
  while (most_of_a_group_ > 0 && groups_with_[Index(most_of_a_group_)] == 0) --most_of_a_group_;
}

}  // namespace truce::controller::pack
