#include "controller/plan/pack/packing.h"

#include <algorithm>

namespace truce::controller::pack {
namespace {

size_t Index(int32_t number) {
  return static_cast<size_t>(number);
}

}  // namespace

Packing::Packing(const Problem& problem, const Assignment& before, const Assignment& now)
    : problem_(&problem),
      effects_(Index(problem.effects)),
      now_(now),
      rows_(problem),
      groups_(problem),
      moved_(problem, before),
      on_(problem.hosts()),
      place_(problem.workloads()),
      suffers_(problem.hosts() * effects_),
      hurts_(problem.hosts() * effects_),
      host_cost_(problem.hosts()),
      is_short_(problem.hosts()) {
  for (int32_t w = 0; w < static_cast<int32_t>(now_.size()); ++w) {
    const int32_t host = now_[Index(w)];
    Put(w, host);
    // Where it was, what is transient is taken all the same.
    if (moved_.IsAway(w, host)) Take(rows_.Host(before[Index(w)]), rows_.Workload(w), 0, rows_.transient);
    groups_.Move(w, -1, host);
    moved_.Count(w, host, 1);
    cost_ += moved_.PriceOfBeing(w, host);
    for (size_t k = 0; k < effects_; ++k) {
      cost_ -= problem.suffers[Index(w) * effects_ + k] * problem.hurts[Index(w) * effects_ + k];
    }
  }
  for (int32_t host = 0; host < static_cast<int32_t>(problem.hosts()); ++host) {
    cost_ += host_cost_[Index(host)] = CostWith(host, -1, -1);
    is_short_[Index(host)] = AnyShort(rows_.Host(host), 0, rows_.capacity) ? 1 : 0;
  }
  cost_ += moved_.cost_of_groups();
}

void Packing::Put(int32_t workload, int32_t host) {
  Take(rows_.Host(host), rows_.Workload(workload), 0, rows_.width);
  place_[Index(workload)] = on_[Index(host)].size();
  on_[Index(host)].push_back(workload);
  for (size_t k = 0; k < effects_; ++k) {
    suffers_[Index(host) * effects_ + k] += problem_->suffers[Index(workload) * effects_ + k];
    hurts_[Index(host) * effects_ + k] += problem_->hurts[Index(workload) * effects_ + k];
  }
}

int64_t Packing::PairsWith(int32_t host, int32_t in, int32_t out) const {
  const Problem& problem = *problem_;
  int64_t cost = 0;
  for (size_t k = 0; k < effects_; ++k) {
    int64_t suffers = suffers_[Index(host) * effects_ + k];
    int64_t hurts = hurts_[Index(host) * effects_ + k];
    if (in >= 0) {
      suffers += problem.suffers[Index(in) * effects_ + k];
      hurts += problem.hurts[Index(in) * effects_ + k];
    }
    if (out >= 0) {
      suffers -= problem.suffers[Index(out) * effects_ + k];
      hurts -= problem.hurts[Index(out) * effects_ + k];
    }
    cost += suffers * hurts;
  }
  return cost;
}

int64_t Packing::CostWith(int32_t host, int32_t in, int32_t out) const {
  const int64_t* left = rows_.Host(host);
  const size_t begin = rows_.capacity;
  const size_t end = rows_.width;
  int64_t cost = 0;
  if (in >= 0 && out >= 0) {
    cost = SumOfShortWith(left, rows_.Workload(in), rows_.Workload(out), begin, end);
  } else if (in >= 0) {
    cost = SumOfShortWith(left, rows_.Workload(in), begin, end);
  } else if (out >= 0) {
    cost = SumOfShortWithout(left, rows_.Workload(out), begin, end);
  } else {
    cost = SumOfShort(left, begin, end);
  }
  if (effects_ > 0) cost += PairsWith(host, in, out);
  if (problem_->use_cost.empty()) return cost;
  const size_t workloads = on_[Index(host)].size() + (in >= 0 ? 1 : 0) - (out >= 0 ? 1 : 0);
  return cost + (workloads > 0 ? problem_->use_cost[Index(host)] : 0);
}

// A workload that comes back to where it was asks for no more of what is transient: it was counted there all the time.
// One that leaves where it was goes on being counted.
bool Packing::Fits(int32_t host, int32_t in, int32_t out) const {
  if (is_short_[Index(host)] != 0) return FitsWhereShort(host, in, out);
  const int64_t* left = rows_.Host(host);
  const int64_t* add = rows_.Workload(in);
  const bool returns = !moved_.IsAway(in, host);
  if (out < 0) return !AnyShortWith(left, add, returns ? rows_.transient : 0, rows_.capacity);
  const int64_t* give = rows_.Workload(out);
  if (AnyShortWith(left, add, give, rows_.transient, rows_.capacity)) return false;
  if (returns) return true;
  return moved_.IsAway(out, host) ? !AnyShortWith(left, add, give, 0, rows_.transient)
                                  : !AnyShortWith(left, add, 0, rows_.transient);
}

bool Packing::FitsWhereShort(int32_t host, int32_t in, int32_t out) const {
  const int64_t* left = rows_.Host(host);
  const int64_t* add = rows_.Workload(in);
  const int64_t* give = out < 0 ? nullptr : rows_.Workload(out);
  const size_t adds_from = BeginOf(in, host);
  const size_t gives_from = out < 0 ? rows_.capacity : BeginOf(out, host);
  for (size_t r = 0; r < rows_.capacity; ++r) {
    const int64_t more = (r < adds_from ? 0 : add[r]) - (r < gives_from ? 0 : give[r]);
    if (more > left[r] && more > 0) return false;
  }
  return true;
}

int64_t Packing::PriceWithoutRules(int32_t workload, int32_t host) const {
  const int32_t from = at(workload);
  const int64_t moves = moved_.Price({workload, from, host});
  if (moves == Moved::kTooMany) return kForbidden;
  return moves + DearerWith(from, -1, workload) + DearerWith(host, workload, -1);
}

int64_t Packing::PriceIfThereWereRoom(int32_t workload, int32_t host) const {
  return GroupLets(workload, host) ? PriceWithoutRules(workload, host) : kForbidden;
}

int64_t Packing::PriceBeforeOthers(int32_t workload, int32_t host) const {
  if (IsPinned(workload) || !Fits(host, workload, -1)) return kForbidden;
  if (groups_.IsExcluded(problem_->group[Index(workload)], host)) return kForbidden;
  return PriceWithoutRules(workload, host);
}

int64_t Packing::PriceOfShift(int32_t workload, int32_t host) const {
  if (IsPinned(workload) || !Fits(host, workload, -1)) return kForbidden;
  return PriceIfThereWereRoom(workload, host);
}

bool Packing::GroupsAllow(int32_t one, int32_t other, int32_t host) const {
  const int32_t from = at(one);
  const int32_t place = at(other);
  const int32_t one_group = problem_->group[Index(one)];
  const int32_t other_group = problem_->group[Index(other)];
  if (one_group == other_group && one_group != kNoGroup) {
    // To their group it is as if `one` went there.
    return host == from || (!groups_.IsExcluded(one_group, host) && groups_.MayMove(one, from, host));
  }
  return !groups_.IsExcluded(one_group, place) && !groups_.IsExcluded(other_group, host) &&
         groups_.MayMove(one, from, place) && groups_.MayMove(other, place, host, groups_.FirstOf(one, from, place));
}

int64_t Packing::PriceOfChain(int32_t one, int32_t other, int32_t host) const {
  const int32_t from = at(one);
  const int32_t place = at(other);
  const bool is_swap = host == from;
  if (!Fits(place, one, other) || !Fits(host, other, is_swap ? one : -1)) return kForbidden;
  if (IsPinned(one) || IsPinned(other) || !GroupsAllow(one, other, host)) return kForbidden;
  const int64_t moves = moved_.Price({one, from, place}, {other, place, host});
  if (moves == Moved::kTooMany) return kForbidden;
  const int64_t price = moves + DearerWith(place, one, other);
  if (is_swap) return price + DearerWith(host, other, one);
  return price + DearerWith(from, -1, one) + DearerWith(host, other, -1);
}

// Not what hosts cost.
void Packing::Relocate(int32_t workload, int32_t host) {
  const int32_t from = at(workload);
  moved_.Count(workload, from, -1);
  moved_.Count(workload, host, 1);
  const int64_t* row = rows_.Workload(workload);
  GiveBack(rows_.Host(from), row, BeginOf(workload, from), rows_.width);
  std::vector<int32_t>& there = on_[Index(from)];
  const int32_t last = there.back();
  there[place_[Index(workload)]] = last;
  place_[Index(last)] = place_[Index(workload)];
  there.pop_back();
  Take(rows_.Host(host), row, BeginOf(workload, host), rows_.width);
  place_[Index(workload)] = on_[Index(host)].size();
  on_[Index(host)].push_back(workload);
  for (size_t k = 0; k < effects_; ++k) {
    const int64_t suffers = problem_->suffers[Index(workload) * effects_ + k];
    const int64_t hurts = problem_->hurts[Index(workload) * effects_ + k];
    suffers_[Index(from) * effects_ + k] -= suffers;
    suffers_[Index(host) * effects_ + k] += suffers;
    hurts_[Index(from) * effects_ + k] -= hurts;
    hurts_[Index(host) * effects_ + k] += hurts;
  }
  now_[Index(workload)] = host;
}

void Packing::Shift(int32_t workload, int32_t host, int64_t price) {
  const int32_t from = at(workload);
  groups_.Move(workload, from, host);
  Relocate(workload, host);
  host_cost_[Index(from)] = CostWith(from, -1, -1);
  host_cost_[Index(host)] = CostWith(host, -1, -1);
  cost_ += price;
}

void Packing::Chain(int32_t one, int32_t other, int32_t host, int64_t price) {
  const int32_t from = at(one);
  const int32_t place = at(other);
  // To a group that has both, nothing changes when they change places.
  if (host != from || problem_->group[Index(one)] != problem_->group[Index(other)]) {
    groups_.Move(other, place, host);
    groups_.Move(one, from, place);
  }
  Relocate(other, host);
  Relocate(one, place);
  for (const int32_t changed : {from, place, host}) host_cost_[Index(changed)] = CostWith(changed, -1, -1);
  cost_ += price;
}

}  // namespace truce::controller::pack
