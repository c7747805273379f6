// An assignment with everything that is needed to price a change of it in a microsecond: per host what is used, free
// and paid, per group where it is. The searches (anneal.h) move workloads about in it. Not thread-safe; each search has
// its own.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "controller/plan/pack/problem.h"

namespace truce::controller::pack {

class Packing {
 public:
  // What a change costs that must not be made.
  static constexpr int64_t kForbidden = std::numeric_limits<int64_t>::max();

  // Workloads were on `before`, and are on `now`. All three are sound, and `problem` outlives this. What `now` breaks
  // may stay broken, and no change makes it worse.
  Packing(const Problem& problem, const Assignment& before, const Assignment& now);

  const Problem& problem() const { return *problem_; }
  const Assignment& now() const { return now_; }
  const Assignment& before() const { return before_; }
  int64_t cost() const { return cost_; }
  // Workloads that are elsewhere than before.
  int32_t moved() const { return moved_; }
  // At most so many may be.
  void LimitMoved(int32_t most) { most_moved_ = most; }

  // By how much the cost changes when the workload goes to that host, which it is not on; kForbidden when it must not.
  int64_t PriceOfShift(int32_t workload, int32_t host) const;
  // Makes a change that is not forbidden; `price` is what it was said to cost.
  void Shift(int32_t workload, int32_t host, int64_t price);
  // The same of two workloads, on different hosts, that change places.
  int64_t PriceOfSwap(int32_t one, int32_t other) const;
  void Swap(int32_t one, int32_t other, int64_t price);

 private:
  // Row of a group in a table that not all groups are in; -1: it is not.
  using Rows = std::vector<int32_t>;

  int64_t HostCost(size_t host, const int64_t* used, const int64_t* suffers, const int64_t* hurts,
                   int32_t workloads) const;
  int64_t CostNow(size_t host) const;
  // With the workload `in` there and `out` gone; -1 for none.
  int64_t CostWith(size_t host, int32_t in, int32_t out) const;
  // Whether what the host is asked for stays within its capacity, or becomes no more.
  bool Fits(size_t host, int32_t in, int32_t out) const;
  // A workload of the group goes from one neighborhood to another.
  struct GroupMove {
    int32_t group = -2;
    int32_t from = 0;
    int32_t to = 0;
  };
  bool MayLeaveGroupmates(int32_t workload, int32_t from, int32_t to, const GroupMove& first) const;
  bool IsExcluded(int32_t group, int32_t host) const;
  int64_t PriceOfMoving(int32_t workload, int32_t host) const;
  int64_t MovesPrice(int32_t one, int32_t one_host, int32_t other, int32_t other_host) const;
  void MoveInGroup(int32_t workload, int32_t from, int32_t to);
  void Put(int32_t workload, int32_t host, int sign);
  // Both, and where it is from now on; not what hosts cost.
  void Relocate(int32_t workload, int32_t host);
  void CountMoved(int32_t workload, int32_t host, int sign);
  bool IsAway(int32_t workload, int32_t host) const { return before_[static_cast<size_t>(workload)] != host; }

  const Problem* problem_;
  size_t resources_;
  size_t effects_;
  Assignment before_;
  Assignment now_;
  int64_t cost_ = 0;
  int32_t moved_ = 0;
  int32_t most_moved_ = std::numeric_limits<int32_t>::max();

  // [hosts, R]: of those that are there, and what is left when those that left it are counted as well.
  std::vector<int64_t> used_;
  std::vector<int64_t> left_;
  // [hosts, effects]
  std::vector<int64_t> suffers_;
  std::vector<int64_t> hurts_;
  std::vector<int64_t> host_cost_;
  std::vector<int32_t> workloads_on_;

  // Exclusive groups of more than one: which hosts they are on, a bit each.
  Rows exclusive_row_;
  size_t words_ = 0;
  std::vector<uint64_t> on_host_;
  // Groups that must be spread: workloads by domain, and domains with any.
  Rows spread_row_;
  size_t domains_ = 0;
  std::vector<int32_t> in_domain_;
  std::vector<int32_t> domains_used_;
  // Groups that need others or are needed: workloads by neighborhood.
  Rows near_row_;
  size_t neighborhoods_ = 0;
  std::vector<int32_t> near_;
  std::vector<std::vector<int32_t>> needed_by_;
  // Groups by how many of their workloads were moved, and the largest number.
  std::vector<int32_t> moved_of_group_;
  std::vector<int32_t> groups_with_moved_;
  int32_t most_of_a_group_ = 0;
  // Working space of CostWith.
  mutable std::vector<int64_t> used_then_;
  mutable std::vector<int64_t> suffers_then_;
  mutable std::vector<int64_t> hurts_then_;
};

}  // namespace truce::controller::pack
