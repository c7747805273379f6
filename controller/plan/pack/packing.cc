#include "controller/plan/pack/packing.h"

#include <algorithm>
#include <array>

namespace truce::controller::pack {
namespace {

size_t Index(int32_t number) {
  return static_cast<size_t>(number);
}

size_t Count(const std::vector<int32_t>& numbers) {
  return numbers.empty() ? 0 : Index(*std::max_element(numbers.begin(), numbers.end())) + 1;
}

}  // namespace

Packing::Packing(const Problem& problem, const Assignment& before, const Assignment& now)
    : problem_(&problem),
      resources_(problem.resources()),
      effects_(Index(problem.effects)),
      before_(before),
      now_(now),
      used_(problem.hosts() * resources_),
      left_(problem.capacity),
      suffers_(problem.hosts() * effects_),
      hurts_(problem.hosts() * effects_),
      host_cost_(problem.hosts()),
      workloads_on_(problem.hosts()),
      exclusive_row_(problem.groups.size(), -1),
      words_((problem.hosts() + 63) / 64),
      spread_row_(problem.groups.size(), -1),
      domains_(Count(problem.domain)),
      near_row_(problem.groups.size(), -1),
      neighborhoods_(Count(problem.neighborhood)),
      needed_by_(problem.groups.size()),
      moved_of_group_(problem.groups.size()),
      groups_with_moved_(problem.workloads() + 1),
      used_then_(resources_),
      suffers_then_(effects_),
      hurts_then_(effects_) {
  std::vector<int32_t> size(problem.groups.size());
  for (const int32_t group : problem.group) {
    if (group != kNoGroup) ++size[Index(group)];
  }
  int32_t exclusive = 0;
  int32_t spread = 0;
  int32_t near = 0;
  for (size_t g = 0; g < problem.groups.size(); ++g) {
    const Group& group = problem.groups[g];
    if (group.exclusive && size[g] > 1) exclusive_row_[g] = exclusive++;
    if (group.spread > 1 && size[g] > 0) spread_row_[g] = spread++;
    for (const int32_t need : group.needs) {
      if (Index(need) == g) continue;
      needed_by_[Index(need)].push_back(static_cast<int32_t>(g));
      for (const size_t one : {g, Index(need)}) {
        if (near_row_[one] < 0) near_row_[one] = near++;
      }
    }
  }
  on_host_.resize(Index(exclusive) * words_);
  in_domain_.resize(Index(spread) * domains_);
  domains_used_.resize(Index(spread));
  near_.resize(Index(near) * neighborhoods_);
  groups_with_moved_[0] = static_cast<int32_t>(problem.groups.size());

  for (int32_t w = 0; w < static_cast<int32_t>(now_.size()); ++w) {
    MoveInGroup(w, -1, now_[Index(w)]);
    Put(w, now_[Index(w)], 1);
    CountMoved(w, now_[Index(w)], 1);
    for (size_t k = 0; k < effects_; ++k) {
      cost_ -= problem.suffers[Index(w) * effects_ + k] * problem.hurts[Index(w) * effects_ + k];
    }
    if (IsAway(w, now_[Index(w)])) cost_ += PriceOfMoving(w, now_[Index(w)]);
  }
  for (size_t host = 0; host < problem.hosts(); ++host) cost_ += host_cost_[host] = CostNow(host);
  cost_ += problem.group_move_weight * most_of_a_group_;
}

int64_t Packing::HostCost(size_t host, const int64_t* used, const int64_t* suffers, const int64_t* hurts,
                          int32_t workloads) const {
  const Problem& problem = *problem_;
  const int64_t* soft = &problem.soft_capacity[host * resources_];
  const int64_t* weight = problem.load_weight.data();
  int64_t cost = 0;
  for (size_t r = 0; r < resources_; ++r) cost += weight[r] * std::max<int64_t>(0, used[r] - soft[r]);
  const int64_t* capacity = &problem.capacity[host * resources_];
  for (const Balance& balance : problem.balances) {
    cost +=
        balance.weight * std::max<int64_t>(0, balance.target * (capacity[balance.resource] - used[balance.resource]) -
                                                  (capacity[balance.other] - used[balance.other]));
  }
  for (size_t k = 0; k < effects_; ++k) cost += suffers[k] * hurts[k];
  if (workloads > 0 && !problem.use_cost.empty()) cost += problem.use_cost[host];
  return cost;
}

int64_t Packing::CostNow(size_t host) const {
  return HostCost(host, &used_[host * resources_], suffers_.data() + host * effects_, hurts_.data() + host * effects_,
                  workloads_on_[host]);
}

int64_t Packing::CostWith(size_t host, int32_t in, int32_t out) const {
  const Problem& problem = *problem_;
  const auto then = [&](const std::vector<int64_t>& now, const std::vector<int64_t>& part, size_t width,
                        std::vector<int64_t>& to) {
    const int64_t* at = now.data() + host * width;
    const int64_t* add = in < 0 ? nullptr : part.data() + Index(in) * width;
    const int64_t* take = out < 0 ? nullptr : part.data() + Index(out) * width;
    if (add != nullptr && take != nullptr) {
      for (size_t i = 0; i < width; ++i) to[i] = at[i] + add[i] - take[i];
    } else if (add != nullptr) {
      for (size_t i = 0; i < width; ++i) to[i] = at[i] + add[i];
    } else {
      for (size_t i = 0; i < width; ++i) to[i] = at[i] - take[i];
    }
  };
  then(used_, problem.demand, resources_, used_then_);
  if (effects_ > 0) {
    then(suffers_, problem.suffers, effects_, suffers_then_);
    then(hurts_, problem.hurts, effects_, hurts_then_);
  }
  return HostCost(host, used_then_.data(), suffers_then_.data(), hurts_then_.data(),
                  workloads_on_[host] + (in >= 0 ? 1 : 0) - (out >= 0 ? 1 : 0));
}

// A workload that comes back to where it was asks for no more of what is transient: it was counted there all the time.
// One that leaves where it was goes on being counted.
bool Packing::Fits(size_t host, int32_t in, int32_t out) const {
  const Problem& problem = *problem_;
  const int64_t* left = &left_[host * resources_];
  const int64_t* add = &problem.demand[Index(in) * resources_];
  const bool returns = !IsAway(in, static_cast<int32_t>(host));
  if (out < 0) {
    for (size_t r = 0; r < resources_; ++r) {
      if (add[r] > left[r] && add[r] > 0 && !(returns && problem.transient[r] != 0)) return false;
    }
    return true;
  }
  const int64_t* take = &problem.demand[Index(out) * resources_];
  const bool stays_counted = !IsAway(out, static_cast<int32_t>(host));
  for (size_t r = 0; r < resources_; ++r) {
    const bool transient = problem.transient[r] != 0;
    const int64_t more = (returns && transient ? 0 : add[r]) - (stays_counted && transient ? 0 : take[r]);
    if (more > left[r] && more > 0) return false;
  }
  return true;
}

bool Packing::IsExcluded(int32_t group, int32_t host) const {
  const int32_t row = exclusive_row_[Index(group)];
  if (row < 0) return false;
  return (on_host_[Index(row) * words_ + Index(host) / 64] >> (Index(host) % 64) & 1) != 0;
}

// Whether its group stays spread, what it needs is near, and who needs it is not left; once `first` has moved.
bool Packing::MayLeaveGroupmates(int32_t workload, int32_t from, int32_t to, const GroupMove& first) const {
  const Problem& problem = *problem_;
  const int32_t group = problem.group[Index(workload)];
  if (group == kNoGroup) return true;
  const size_t g = Index(group);
  if (const int32_t row = spread_row_[g]; row >= 0) {
    const int32_t* in_domain = &in_domain_[Index(row) * domains_];
    const int32_t domain_from = problem.domain[Index(from)];
    const int32_t domain_to = problem.domain[Index(to)];
    if (domain_from != domain_to && in_domain[domain_from] == 1 && in_domain[domain_to] > 0 &&
        domains_used_[Index(row)] <= problem.groups[g].spread) {
      return false;
    }
  }
  if (near_row_[g] < 0) return true;
  const int32_t near_from = problem.neighborhood[Index(from)];
  const int32_t near_to = problem.neighborhood[Index(to)];
  if (near_from == near_to) return true;
  const auto count = [&](int32_t of, int32_t neighborhood) {
    const int32_t now = near_[Index(near_row_[Index(of)]) * neighborhoods_ + Index(neighborhood)];
    if (of != first.group) return now;
    return now + (neighborhood == first.to ? 1 : 0) - (neighborhood == first.from ? 1 : 0);
  };
  for (const int32_t need : problem.groups[g].needs) {
    if (need != group && count(need, near_to) == 0) return false;
  }
  if (count(group, near_from) > 1) return true;
  return std::all_of(needed_by_[g].begin(), needed_by_[g].end(),
                     [&](int32_t one) { return count(one, near_from) == 0; });
}

int64_t Packing::PriceOfMoving(int32_t workload, int32_t host) const {
  const Problem& problem = *problem_;
  int64_t price = problem.move_cost[Index(workload)];
  if (!problem.distance.empty()) {
    price +=
        problem.distance_weight * problem.distance[Index(before_[Index(workload)]) * problem.hosts() + Index(host)];
  }
  return price;
}

// What it costs that one of them, or both, are elsewhere then; -1 for none.
int64_t Packing::MovesPrice(int32_t one, int32_t one_host, int32_t other, int32_t other_host) const {
  const Problem& problem = *problem_;
  struct Change {
    int32_t group = kNoGroup;
    int32_t by = 0;
  };
  std::array<Change, 2> changes;
  int64_t price = 0;
  int32_t more = 0;
  size_t count = 0;
  for (const auto& [workload, host] : {std::pair(one, one_host), std::pair(other, other_host)}) {
    if (workload < 0) continue;
    const int32_t at = now_[Index(workload)];
    const bool was_away = IsAway(workload, at);
    const bool is_away = IsAway(workload, host);
    if (was_away) price -= PriceOfMoving(workload, at);
    if (is_away) price += PriceOfMoving(workload, host);
    const int32_t by = (is_away ? 1 : 0) - (was_away ? 1 : 0);
    more += by;
    const int32_t group = problem.group[Index(workload)];
    if (by != 0 && group != kNoGroup) changes[count++] = {group, by};
  }
  if (more > 0 && moved_ > most_moved_ - more) return kForbidden;
  if (problem.group_move_weight == 0 || count == 0) return price;
  if (count == 2 && changes[0].group == changes[1].group) {
    changes[0].by += changes[1].by;
    --count;
  }
  int32_t highest = 0;
  for (size_t i = 0; i < count; ++i)
    highest = std::max(highest, moved_of_group_[Index(changes[i].group)] + changes[i].by);
  const auto others_with = [&](int32_t moved) {
    int32_t groups = groups_with_moved_[Index(moved)];
    for (size_t i = 0; i < count; ++i) groups -= moved_of_group_[Index(changes[i].group)] == moved ? 1 : 0;
    return groups;
  };
  int32_t most = most_of_a_group_;
  while (most > highest && others_with(most) == 0) --most;
  return price + problem.group_move_weight * (std::max(most, highest) - most_of_a_group_);
}

int64_t Packing::PriceOfShift(int32_t workload, int32_t host) const {
  const Problem& problem = *problem_;
  const int32_t from = now_[Index(workload)];
  if (!problem.pinned.empty() && problem.pinned[Index(workload)] != 0) return kForbidden;
  if (!Fits(Index(host), workload, -1)) return kForbidden;
  if (problem.group[Index(workload)] != kNoGroup && IsExcluded(problem.group[Index(workload)], host)) return kForbidden;
  if (!MayLeaveGroupmates(workload, from, host, {})) return kForbidden;
  const int64_t moves = MovesPrice(workload, host, -1, -1);
  if (moves == kForbidden) return kForbidden;
  return moves + CostWith(Index(from), -1, workload) - host_cost_[Index(from)] + CostWith(Index(host), workload, -1) -
         host_cost_[Index(host)];
}

int64_t Packing::PriceOfSwap(int32_t one, int32_t other) const {
  const Problem& problem = *problem_;
  const int32_t one_host = now_[Index(one)];
  const int32_t other_host = now_[Index(other)];
  if (!problem.pinned.empty() && (problem.pinned[Index(one)] != 0 || problem.pinned[Index(other)] != 0)) {
    return kForbidden;
  }
  if (!Fits(Index(other_host), one, other) || !Fits(Index(one_host), other, one)) return kForbidden;
  const int32_t one_group = problem.group[Index(one)];
  const int32_t other_group = problem.group[Index(other)];
  if (one_group != other_group || one_group == kNoGroup) {
    if (one_group != kNoGroup && IsExcluded(one_group, other_host)) return kForbidden;
    if (other_group != kNoGroup && IsExcluded(other_group, one_host)) return kForbidden;
    if (!MayLeaveGroupmates(one, one_host, other_host, {})) return kForbidden;
    const GroupMove first{one_group, problem.neighborhood[Index(one_host)], problem.neighborhood[Index(other_host)]};
    if (!MayLeaveGroupmates(other, other_host, one_host, first)) return kForbidden;
  }
  const int64_t moves = MovesPrice(one, other_host, other, one_host);
  if (moves == kForbidden) return kForbidden;
  return moves + CostWith(Index(one_host), other, one) - host_cost_[Index(one_host)] +
         CostWith(Index(other_host), one, other) - host_cost_[Index(other_host)];
}

// `from` -1: it was nowhere.
void Packing::MoveInGroup(int32_t workload, int32_t from, int32_t to) {
  const Problem& problem = *problem_;
  const int32_t group = problem.group[Index(workload)];
  if (group == kNoGroup) return;
  const size_t g = Index(group);
  for (const auto& [host, sign] : {std::pair(from, -1), std::pair(to, 1)}) {
    if (host < 0) continue;
    if (const int32_t row = exclusive_row_[g]; row >= 0) {
      uint64_t& word = on_host_[Index(row) * words_ + Index(host) / 64];
      const uint64_t bit = uint64_t{1} << (Index(host) % 64);
      word = sign > 0 ? word | bit : word & ~bit;
    }
    if (const int32_t row = spread_row_[g]; row >= 0) {
      int32_t& count = in_domain_[Index(row) * domains_ + Index(problem.domain[Index(host)])];
      count += sign;
      if (count == (sign > 0 ? 1 : 0)) domains_used_[Index(row)] += sign;
    }
    if (const int32_t row = near_row_[g]; row >= 0) {
      near_[Index(row) * neighborhoods_ + Index(problem.neighborhood[Index(host)])] += sign;
    }
  }
}

void Packing::Put(int32_t workload, int32_t host, int sign) {
  const Problem& problem = *problem_;
  const bool away = IsAway(workload, host);
  const size_t home = Index(before_[Index(workload)]);
  for (size_t r = 0; r < resources_; ++r) {
    const int64_t change = sign * problem.demand[Index(workload) * resources_ + r];
    used_[Index(host) * resources_ + r] += change;
    left_[Index(host) * resources_ + r] -= change;
    if (away && problem.transient[r] != 0) left_[home * resources_ + r] -= change;
  }
  for (size_t k = 0; k < effects_; ++k) {
    suffers_[Index(host) * effects_ + k] += sign * problem.suffers[Index(workload) * effects_ + k];
    hurts_[Index(host) * effects_ + k] += sign * problem.hurts[Index(workload) * effects_ + k];
  }
  workloads_on_[Index(host)] += sign;
}

void Packing::CountMoved(int32_t workload, int32_t host, int sign) {
  if (!IsAway(workload, host)) return;
  moved_ += sign;
  const int32_t group = problem_->group[Index(workload)];
  if (group == kNoGroup) return;
  int32_t& moved = moved_of_group_[Index(group)];
  --groups_with_moved_[Index(moved)];
  moved += sign;
  ++groups_with_moved_[Index(moved)];
  most_of_a_group_ = std::max(most_of_a_group_, moved);
  while (most_of_a_group_ > 0 && groups_with_moved_[Index(most_of_a_group_)] == 0) --most_of_a_group_;
}

void Packing::Relocate(int32_t workload, int32_t host) {
  const int32_t from = now_[Index(workload)];
  Put(workload, from, -1);
  CountMoved(workload, from, -1);
  Put(workload, host, 1);
  CountMoved(workload, host, 1);
  now_[Index(workload)] = host;
}

void Packing::Shift(int32_t workload, int32_t host, int64_t price) {
  const int32_t from = now_[Index(workload)];
  MoveInGroup(workload, from, host);
  Relocate(workload, host);
  host_cost_[Index(from)] = CostNow(Index(from));
  host_cost_[Index(host)] = CostNow(Index(host));
  cost_ += price;
}

void Packing::Swap(int32_t one, int32_t other, int64_t price) {
  const int32_t one_host = now_[Index(one)];
  const int32_t other_host = now_[Index(other)];
  // A group that has both has a bit for both hosts before and after.
  if (problem_->group[Index(one)] != problem_->group[Index(other)]) {
    MoveInGroup(one, one_host, other_host);
    MoveInGroup(other, other_host, one_host);
  }
  Relocate(one, other_host);
  Relocate(other, one_host);
  host_cost_[Index(one_host)] = CostNow(Index(one_host));
  host_cost_[Index(other_host)] = CostNow(Index(other_host));
  cost_ += price;
}

}  // namespace truce::controller::pack
