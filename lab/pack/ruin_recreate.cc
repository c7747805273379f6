#include "lab/pack/ruin_recreate.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <random>
#include <thread>
#include <tuple>
#include <utility>

#include "lab/pack/placement.h"

namespace truce::lab {
namespace {

// In servers in use: what a plan costs for each request without a place, and the first and last temperature.
constexpr double kUnplacedCost = 100;
constexpr double kHottest = 0.001;
constexpr double kColdest = 0.0001;
// Servers that are emptied at once, and how often a place is not looked at.
constexpr uint32_t kMostEmptied = 6;
constexpr uint32_t kBlinksPer1000 = 10;
// Requests without a place that are tried again at once.
constexpr size_t kMostRetried = 8;
// Between two looks at the clock.
constexpr int64_t kStride = 64;

// One thread's search.
class Search {
 public:
  Search(const NumaProblem& problem, const std::vector<int32_t>& affinity_limits, const Plan& start,
         const RuinOptions& options, uint64_t seed)
      : options_(options), problem_(problem), placement_(problem, affinity_limits), best_(start), random_(seed) {
    for (int32_t r = 0; r < static_cast<int32_t>(start.size()); ++r) {
      if (start[At(r)].server == kNone) {
        unplaced_.push_back(r);
      } else {
        placement_.Put(r, start[At(r)]);
      }
    }
    for (const NumaServer& server : problem.servers) {
      const RoomPrice& price = placement_.price();
      unit_ = std::max(unit_, static_cast<double>(price.Of(server.nodes[0]) + price.Of(server.nodes[1])));
    }
    best_unplaced_ = unplaced_.size();
    best_used_ = placement_.used().size();
  }

  void Run() {
    if (placement_.used().empty()) return;
    begun_ = std::chrono::steady_clock::now();
    for (double passed = Passed(); passed < 1; passed = Passed()) {
      temperature_ = kHottest * std::pow(kColdest / kHottest, passed);
      for (int64_t i = 0; i < kStride; ++i) Step();
      done_ += kStride;
    }
  }

  const Plan& best() const { return best_; }
  std::pair<size_t, size_t> best_cost() const { return {best_unplaced_, best_used_}; }
  int64_t done() const { return done_; }

 private:
  double Passed() const {
    const auto spent = absl::FromChrono(std::chrono::steady_clock::now() - begun_);
    return std::max(absl::FDivDuration(spent, options_.time),
                    static_cast<double>(done_) / static_cast<double>(options_.iterations));
  }
  uint32_t Below(size_t end) {
    return static_cast<uint32_t>((static_cast<uint64_t>(static_cast<uint32_t>(random_())) * end) >> 32);
  }
  double Part() { return static_cast<double>(random_() >> 11) * 0x1p-53; }

  // A server in use, of a few that with the least load.
  int32_t Light(uint32_t few) {
    const std::vector<int32_t>& used = placement_.used();
    int32_t lightest = used[Below(used.size())];
    for (uint32_t i = 1; i < few; ++i) {
      const int32_t other = used[Below(used.size())];
      if (placement_.Load(other) < placement_.Load(lightest)) lightest = other;
    }
    return lightest;
  }

  void Ruin() {
    const uint32_t emptied = 2 + Below(kMostEmptied - 1);
    for (uint32_t i = 0; i < emptied && !placement_.used().empty(); ++i) {
      const int32_t server = Light(i == 0 ? 4 : 1);
      for (const int32_t request : std::vector<int32_t>(placement_.On(server))) {
        removed_.emplace_back(request, placement_.plan()[At(request)]);
        placement_.Take(request);
      }
    }
    for (size_t i = 0; i < kMostRetried && !unplaced_.empty(); ++i) {
      const size_t one = Below(unplaced_.size());
      removed_.emplace_back(unplaced_[one], Place{});
      unplaced_[one] = unplaced_.back();
      unplaced_.pop_back();
    }
  }

  // Of servers in use the node that it leaves least of, of others the roomiest; now and then another.
  Place Best(const VmRequest& vm, const std::vector<int32_t>& servers, bool in_use) {
    const RoomPrice& price = placement_.price();
    const int64_t needs = price.Of(vm.per_node);
    Place best;
    int64_t best_rank = 0;
    for (const int32_t s : servers) {
      for (const uint8_t nodes : {kNode1, kNode2, kBothNodes}) {
        if ((nodes == kBothNodes) != vm.on_both || !placement_.HasRoom(vm, s, nodes)) continue;
        int64_t rank = 0;
        if (!in_use) {
          rank = -(price.Of(placement_.Free(s, 0)) + price.Of(placement_.Free(s, 1)));
        } else {
          if ((nodes & kNode1) != 0) rank += price.Of(placement_.Free(s, 0)) - needs;
          if ((nodes & kNode2) != 0) rank += price.Of(placement_.Free(s, 1)) - needs;
        }
        if (best.server != kNone && rank >= best_rank) continue;
        if (!placement_.Allows(vm, s)) break;
        if (Below(1'000) < kBlinksPer1000) continue;
        best = {s, nodes};
        best_rank = rank;
      }
    }
    return best;
  }

  void Recreate() {
    order_.clear();
    for (const auto& [request, from] : removed_) {
      const auto size = static_cast<double>(placement_.price().Of(problem_.requests[At(request)].Whole()));
      order_.emplace_back(-size * (0.7 + 0.6 * Part()), request);
    }
    std::sort(order_.begin(), order_.end());
    for (const auto& [size, request] : order_) {
      const VmRequest& vm = problem_.requests[At(request)];
      Place place = Best(vm, placement_.used(), true);
      if (place.server == kNone) place = Best(vm, placement_.unused(), false);
      if (place.server == kNone) {
        unplaced_.push_back(request);
      } else {
        placement_.Put(request, place);
      }
    }
  }

  void Undo() {
    for (const auto& [request, from] : removed_) {
      if (placement_.plan()[At(request)].server == kNone) {
        unplaced_.erase(std::find(unplaced_.begin(), unplaced_.end(), request));
      } else {
        placement_.Take(request);
      }
    }
    for (const auto& [request, from] : removed_) {
      if (from.server == kNone) {
        unplaced_.push_back(request);
      } else {
        placement_.Put(request, from);
      }
    }
  }

  void Step() {
    removed_.clear();
    const size_t unplaced_before = unplaced_.size();
    Ruin();
    Recreate();
    const double price = Price(unplaced_before);
    if (price > 0 && Part() >= std::exp(-price / temperature_)) {
      Undo();
      return;
    }
    const std::pair cost(unplaced_.size(), placement_.used().size());
    if (cost < best_cost()) {
      best_ = placement_.plan();
      std::tie(best_unplaced_, best_used_) = cost;
    }
  }

  // What the step costs more than nothing done.
  double Price(size_t unplaced_before) {
    change_.clear();
    const auto add = [&](int32_t server, int64_t load, int32_t requests) {
      for (auto& one : change_) {
        if (one.server != server) continue;
        one.load += load;
        one.requests += requests;
        return;
      }
      change_.push_back({server, load, requests});
    };
    for (const auto& [request, from] : removed_) {
      const int64_t load = placement_.price().Of(problem_.requests[At(request)].Whole());
      if (from.server != kNone) add(from.server, load, 1);
      const Place& now = placement_.plan()[At(request)];
      if (now.server != kNone) add(now.server, -load, -1);
    }
    double price = kUnplacedCost * (static_cast<double>(unplaced_.size()) - static_cast<double>(unplaced_before));
    for (const auto& one : change_) {
      const int64_t now = placement_.Load(one.server);
      const auto count = static_cast<int32_t>(placement_.On(one.server).size());
      price += CostOf(now, count) - CostOf(now + one.load, count + one.requests);
    }
    return price;
  }
  double CostOf(int64_t load, int32_t requests) const {
    if (requests == 0) return 0;
    const double part = static_cast<double>(load) / unit_;
    return 1 - part * part;
  }

  struct Change {
    int32_t server = 0;
    int64_t load = 0;
    int32_t requests = 0;
  };

  const RuinOptions& options_;
  const NumaProblem& problem_;
  Placement placement_;
  Plan best_;
  size_t best_unplaced_ = 0;
  size_t best_used_ = 0;
  std::mt19937_64 random_;
  double unit_ = 1;
  double temperature_ = 0;
  std::chrono::steady_clock::time_point begun_;
  int64_t done_ = 0;
  std::vector<int32_t> unplaced_;
  std::vector<std::pair<int32_t, Place>> removed_;
  std::vector<std::pair<double, int32_t>> order_;
  std::vector<Change> change_;
};

}  // namespace

Ruined RuinAndRecreate(const NumaProblem& problem, const std::vector<int32_t>& affinity_limits, const Plan& start,
                       const RuinOptions& options) {
  std::vector<std::unique_ptr<Search>> searches;
  for (int i = 0; i < std::max(1, options.threads); ++i) {
    searches.push_back(std::make_unique<Search>(problem, affinity_limits, start, options,
                                                options.seed * 1'000'003 + static_cast<uint64_t>(i)));
  }
  std::vector<std::thread> threads;
  for (size_t i = 1; i < searches.size(); ++i) threads.emplace_back([&, i] { searches[i]->Run(); });
  searches[0]->Run();
  for (std::thread& thread : threads) thread.join();
  Ruined result;
  const Search* best = searches[0].get();
  for (const auto& search : searches) {
    result.ruins += search->done();
    if (search->best_cost() < best->best_cost()) best = search.get();
  }
  result.plan = best->best();
  return result;
}

}  // namespace truce::lab
