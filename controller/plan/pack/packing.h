// An assignment with everything that is needed to price a change of it in less than a microsecond: per host what is
// left and paid, per group where it is. The searches (anneal.h) move workloads about in it. Not thread-safe; each
// search has its own.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "controller/plan/pack/group_places.h"
#include "controller/plan/pack/moved.h"
#include "controller/plan/pack/problem.h"
#include "controller/plan/pack/rows.h"

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
  const Assignment& before() const { return moved_.before(); }
  int32_t at(int32_t workload) const { return now_[static_cast<size_t>(workload)]; }
  int32_t home(int32_t workload) const { return before()[static_cast<size_t>(workload)]; }
  bool IsPinned(int32_t workload) const {
    return !problem_->pinned.empty() && problem_->pinned[static_cast<size_t>(workload)] != 0;
  }
  // Those on a host, in no order.
  const std::vector<int32_t>& on(int32_t host) const { return on_[static_cast<size_t>(host)]; }
  int64_t cost() const { return cost_; }
  // Workloads that are elsewhere than before.
  int32_t moved() const { return moved_.count(); }
  // At most so many may be.
  void LimitMoved(int32_t most) { moved_.Limit(most); }

  // By how much the cost changes when the workload goes to that host, which it is not on; kForbidden when it must not.
  int64_t PriceOfShift(int32_t workload, int32_t host) const;
  // The same if the host had room; whoever makes such a change takes others away from there before anything else
  // (exchange.h).
  int64_t PriceIfThereWereRoom(int32_t workload, int32_t host) const;
  // The same if its group were spread and what needs each other were near; whoever makes such a change moves others,
  // and then asks GroupHolds (convoy.h).
  int64_t PriceBeforeOthers(int32_t workload, int32_t host) const;
  // Whether a group is spread, near what it needs and near who needs it.
  bool GroupHolds(int32_t group) const { return groups_.Holds(group); }
  // Whether its group lets a workload go to a host, whatever room there is.
  bool GroupLets(int32_t workload, int32_t host) const {
    return !groups_.IsExcluded(problem_->group[static_cast<size_t>(workload)], host) &&
           groups_.MayMove(workload, at(workload), host);
  }
  // Makes a change that is not forbidden; `price` is what it was said to cost.
  void Shift(int32_t workload, int32_t host, int64_t price);
  // The same of two workloads, on different hosts, of which `one` takes the place of `other`, which goes to `host`: to
  // where `one` was, or to a third host.
  int64_t PriceOfChain(int32_t one, int32_t other, int32_t host) const;
  void Chain(int32_t one, int32_t other, int32_t host, int64_t price);
  // Both change places.
  int64_t PriceOfSwap(int32_t one, int32_t other) const { return PriceOfChain(one, other, at(one)); }
  void Swap(int32_t one, int32_t other, int64_t price) { Chain(one, other, at(one), price); }

  // For those who count with what is left of hosts (exchange.h).
  const Rows& rows() const { return rows_; }
  const Moved& moves() const { return moved_; }
  // Where the part of a workload's row begins that leaves that host with it, or comes there with it: one that is where
  // it was keeps what is transient.
  size_t BeginOf(int32_t workload, int32_t host) const { return moved_.IsAway(workload, host) ? 0 : rows_.transient; }
  // Whether load, balance and moves are all that costs.
  bool OnlyLoadCosts() const { return effects_ == 0 && problem_->use_cost.empty(); }

 private:
  int64_t PriceWithoutRules(int32_t workload, int32_t host) const;
  // What a host costs with the workload `in` there and `out` gone; -1 for none.
  int64_t CostWith(int32_t host, int32_t in, int32_t out) const;
  int64_t PairsWith(int32_t host, int32_t in, int32_t out) const;
  int64_t DearerWith(int32_t host, int32_t in, int32_t out) const {
    return CostWith(host, in, out) - host_cost_[static_cast<size_t>(host)];
  }
  // Whether what the host is asked for stays within its capacity, or becomes no more.
  bool Fits(int32_t host, int32_t in, int32_t out) const;
  bool FitsWhereShort(int32_t host, int32_t in, int32_t out) const;
  bool GroupsAllow(int32_t one, int32_t other, int32_t host) const;
  void Put(int32_t workload, int32_t host);
  void Relocate(int32_t workload, int32_t host);

  const Problem* problem_;
  size_t effects_;
  Assignment now_;
  int64_t cost_ = 0;
  Rows rows_;
  GroupPlaces groups_;
  Moved moved_;
  std::vector<std::vector<int32_t>> on_;
  // [workloads]: which of those on its host it is.
  std::vector<size_t> place_;
  // [hosts, effects]
  std::vector<int64_t> suffers_;
  std::vector<int64_t> hurts_;
  // [hosts]
  std::vector<int64_t> host_cost_;
  // [hosts]: asked for too much at the start; may stay so.
  std::vector<uint8_t> is_short_;
};

}  // namespace truce::controller::pack
