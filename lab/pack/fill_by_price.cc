#include "lab/pack/fill_by_price.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "lab/pack/load_prices.h"

namespace truce::lab {
namespace {

// Subgradient steps at first, and after every so many servers that were filled.
constexpr int kFirstSteps = 400;
constexpr int kMoreSteps = 40;
constexpr int kServersAtOnce = 4;

class Filling {
 public:
  explicit Filling(Placement* placement) : placement_(*placement), prices_(placement->problem()) {}

  void Run() {
    if (!prices_.Small()) return;
    const NumaProblem& problem = placement_.problem();
    waiting_.resize(prices_.kinds().size());
    counts_.resize(prices_.kinds().size());
    for (int32_t r = static_cast<int32_t>(problem.requests.size()) - 1; r >= 0; --r) {
      const VmRequest& vm = problem.requests[At(r)];
      if (vm.strategy == Strategy::kAffinity || placement_.plan()[At(r)].server != kNone) continue;
      const size_t kind = prices_.KindOf(vm);
      waiting_[kind].push_back(r);
      ++counts_[kind];
    }
    done_.resize(problem.servers.size());
    int steps = kFirstSteps;
    while (Renew(steps) && FillSome()) steps = kMoreSteps;
  }

 private:
  RoomKind RoomOf(int32_t server) const {
    return {{prices_.InUnits(placement_.Free(server, 0)), prices_.InUnits(placement_.Free(server, 1))},
            placement_.problem().servers[At(server)].domain,
            placement_.Used(server)};
  }

  // Prices for what is left; false when nothing is.
  bool Renew(int steps) {
    if (std::all_of(counts_.begin(), counts_.end(), [](int64_t count) { return count == 0; })) return false;
    std::map<std::tuple<int32_t, int32_t, int32_t, int32_t, int32_t, bool>, size_t> known;
    std::vector<RoomKind> rooms;
    for (int32_t s = 0; At(s) < done_.size(); ++s) {
      if (done_[At(s)] != 0) continue;
      const RoomKind room = RoomOf(s);
      const auto [place, first] = known.try_emplace(
          {room.nodes[0].cpus, room.nodes[0].ram, room.nodes[1].cpus, room.nodes[1].ram, room.domain, room.in_use},
          rooms.size());
      if (first) {
        rooms.push_back(room);
      } else {
        ++rooms[place->second].count;
      }
    }
    bound_ = prices_.Climb(counts_, rooms, 1.01 * bound_ + 1, steps);
    prices_.Tabulate(counts_);
    return true;
  }

  // False when no server takes anything.
  bool FillSome() {
    std::vector<std::pair<double, int32_t>> order;
    for (int32_t s = 0; At(s) < done_.size(); ++s) {
      if (done_[At(s)] != 0) continue;
      // Servers in use first.
      const double value = prices_.Dearest(RoomOf(s), nullptr);
      if (value > 0) order.emplace_back(placement_.Used(s) ? -1e9 - value : -value, s);
    }
    std::sort(order.begin(), order.end());
    for (size_t i = 0; i < order.size() && i < kServersAtOnce; ++i) FillOne(order[i].second);
    return !order.empty();
  }

  void FillOne(int32_t server) {
    done_[At(server)] = 1;
    bool more = true;
    while (more) {
      more = false;
      bool ran_out = false;
      for (const auto& [kind, nodes] : prices_.DearestLoad(RoomOf(server))) {
        const int32_t request = TakeWaiting(kind, server, nodes);
        if (request == kNone) continue;
        placement_.Put(request, {server, nodes});
        more = true;
        ran_out = ran_out || counts_[At(kind)] == 0;
      }
      if (ran_out) prices_.Tabulate(counts_);
    }
  }

  // A request of that kind that the server may take; kNone if there is none.
  int32_t TakeWaiting(int32_t kind, int32_t server, uint8_t nodes) {
    std::vector<int32_t>& waiting = waiting_[At(kind)];
    for (auto one = waiting.rbegin(); one != waiting.rend(); ++one) {
      const VmRequest& vm = placement_.problem().requests[At(*one)];
      if (!placement_.HasRoom(vm, server, nodes) || !placement_.Allows(vm, server)) continue;
      const int32_t request = *one;
      waiting.erase(std::next(one).base());
      --counts_[At(kind)];
      return request;
    }
    return kNone;
  }

  Placement& placement_;
  LoadPrices prices_;
  double bound_ = 0;
  // By kind: requests that are nowhere yet, the next one last; how many.
  std::vector<std::vector<int32_t>> waiting_;
  std::vector<int64_t> counts_;
  // By server: filled.
  std::vector<uint8_t> done_;
};

}  // namespace

void FillByPrice(Placement* placement) {
  Filling(placement).Run();
}

}  // namespace truce::lab
