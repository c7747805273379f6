#include "controller/plan/pack/order.h"

#include <algorithm>
#include <utility>

#include "controller/plan/pack/packing.h"

namespace truce::controller::pack {
namespace {

class Ordering {
 public:
  Ordering(const Problem& problem, const Assignment& before, const Assignment& after)
      : problem_(WithoutTransients(problem)), after_(after), packing_(problem_, before, before) {
    for (int32_t w = 0; w < static_cast<int32_t>(before.size()); ++w) {
      if (before[At(w)] != after[At(w)]) waiting_.push_back(w);
    }
    cheapest_ = packing_.cost();
  }

  MoveOrder Run(const Assignment& before) {
    int detours = static_cast<int>(waiting_.size());
    while (!waiting_.empty()) {
      if (MoveThoseThatCan()) continue;
      if (detours-- == 0 || !MakeRoom()) break;
    }
    MoveOrder order;
    order.stuck = waiting_;
    if (!waiting_.empty()) moves_.resize(cheapest_steps_);
    order.reached = before;
    for (const Move& move : moves_) order.reached[At(move.workload)] = move.to;
    order.moves = std::move(moves_);
    return order;
  }

 private:
  static size_t At(int32_t workload) { return static_cast<size_t>(workload); }
  static Problem WithoutTransients(Problem problem) {
    std::fill(problem.transient.begin(), problem.transient.end(), uint8_t{0});
    return problem;
  }
  bool Try(int32_t workload, int32_t host) {
    const int64_t price = packing_.PriceOfShift(workload, host);
    if (price == Packing::kForbidden) return false;
    moves_.push_back({workload, packing_.now()[At(workload)], host});
    packing_.Shift(workload, host, price);
    if (packing_.cost() < cheapest_) {
      cheapest_ = packing_.cost();
      cheapest_steps_ = moves_.size();
    }
    return true;
  }
  bool MoveThoseThatCan() {
    const size_t before = waiting_.size();
    std::erase_if(waiting_, [this](int32_t workload) { return Try(workload, after_[At(workload)]); });
    return waiting_.size() < before;
  }
  // One that waits goes somewhere else meanwhile, once: what it leaves may be what others wait for.
  bool MakeRoom() {
    for (const int32_t workload : waiting_) {
      if (std::find(detoured_.begin(), detoured_.end(), workload) != detoured_.end()) continue;
      for (int32_t host = 0; host < static_cast<int32_t>(problem_.hosts()); ++host) {
        if (host == packing_.now()[At(workload)] || host == after_[At(workload)]) continue;
        if (!Try(workload, host)) continue;
        detoured_.push_back(workload);
        return true;
      }
    }
    return false;
  }

  const Problem problem_;
  const Assignment& after_;
  Packing packing_;
  std::vector<int32_t> waiting_;
  std::vector<int32_t> detoured_;
  std::vector<Move> moves_;
  int64_t cheapest_ = 0;
  size_t cheapest_steps_ = 0;
};

}  // namespace

MoveOrder OrderMoves(const Problem& problem, const Assignment& before, const Assignment& after) {
  return Ordering(problem, before, after).Run(before);
}

}  // namespace truce::controller::pack
