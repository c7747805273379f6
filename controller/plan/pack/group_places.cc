#include "controller/plan/pack/group_places.h"

#include <algorithm>
#include <utility>

namespace truce::controller::pack {
namespace {

size_t Index(int32_t number) {
  return static_cast<size_t>(number);
}

size_t Count(const std::vector<int32_t>& numbers) {
  return numbers.empty() ? 0 : Index(*std::max_element(numbers.begin(), numbers.end())) + 1;
}

}  // namespace

GroupPlaces::GroupPlaces(const Problem& problem)
    : problem_(&problem),
      exclusive_row_(problem.groups.size(), -1),
      words_((problem.hosts() + 63) / 64),
      spread_row_(problem.groups.size(), -1),
      domains_(Count(problem.domain)),
      near_row_(problem.groups.size(), -1),
      neighborhoods_(Count(problem.neighborhood)),
      needed_by_(problem.groups.size()) {
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
}

void GroupPlaces::Move(int32_t workload, int32_t from, int32_t to) {
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

GroupPlaces::First GroupPlaces::FirstOf(int32_t workload, int32_t from, int32_t to) const {
  const Problem& problem = *problem_;
  return {problem.group[Index(workload)], problem.neighborhood[Index(from)], problem.neighborhood[Index(to)]};
}

bool GroupPlaces::MayMove(int32_t workload, int32_t from, int32_t to, const First& first) const {
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

bool GroupPlaces::IsNearAll(int32_t group, int32_t other) const {
  const int32_t* here = &near_[Index(near_row_[Index(group)]) * neighborhoods_];
  const int32_t* there = &near_[Index(near_row_[Index(other)]) * neighborhoods_];
  for (size_t i = 0; i < neighborhoods_; ++i) {
    if (there[i] > 0 && here[i] == 0) return false;
  }
  return true;
}

bool GroupPlaces::Holds(int32_t group) const {
  const size_t g = Index(group);
  if (const int32_t row = spread_row_[g]; row >= 0 && domains_used_[Index(row)] < problem_->groups[g].spread) {
    return false;
  }
  for (const int32_t need : problem_->groups[g].needs) {
    if (need != group && !IsNearAll(need, group)) return false;
  }
  return std::all_of(needed_by_[g].begin(), needed_by_[g].end(), [&](int32_t one) { return IsNearAll(group, one); });
}

}  // namespace truce::controller::pack
