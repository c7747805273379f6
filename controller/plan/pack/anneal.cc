#include "controller/plan/pack/anneal.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "controller/plan/pack/packing.h"
#include "src/base/status.h"

namespace truce::controller::pack {
namespace {

// Of all changes that are tried; the rest are shifts.
constexpr double kSwapRatio = 0.15;
// Of the whole, for going downhill before and after.
constexpr double kFirstDescent = 0.02;
constexpr double kLastDescent = 0.05;
// The first temperature over the mean price of an uphill change, and the last over the first.
constexpr double kHottest = 5;
constexpr double kColdest = 1e-3;
// Between two looks at the clock.
constexpr int64_t kStride = 2'048;

// One thread's search.
class Search {
 public:
  Search(const Problem& problem, const Assignment& before, const AnnealOptions& options, uint64_t seed)
      : options_(options),
        packing_(problem, before, before),
        best_(before),
        best_cost_(packing_.cost()),
        random_(seed) {
    packing_.LimitMoved(options.most_moved);
    for (int32_t w = 0; w < static_cast<int32_t>(problem.workloads()); ++w) {
      if (problem.pinned.empty() || problem.pinned[static_cast<size_t>(w)] == 0) free_.push_back(w);
    }
    hosts_ = static_cast<uint32_t>(problem.hosts());
  }

  void Run() {
    if (free_.empty() || hosts_ < 2) return;
    begun_ = std::chrono::steady_clock::now();
    double hottest = 0;
    while (true) {
      const double passed = Passed();
      if (passed >= 1) break;
      double temperature = 0;
      if (passed >= kFirstDescent && passed < 1 - kLastDescent) {
        if (hottest == 0) hottest = kHottest * MeanUphill();
        const double part = (passed - kFirstDescent) / (1 - kLastDescent - kFirstDescent);
        temperature = hottest * std::pow(kColdest, part);
      } else if (passed >= 1 - kLastDescent && !descends_) {
        // From the best that was seen.
        KeepBest();
        if (packing_.cost() > best_cost_) GoTo(best_);
        descends_ = true;
      }
      for (int64_t i = 0; i < kStride; ++i) Step(temperature);
      done_ += kStride;
      KeepBest();
    }
    KeepBest();
  }

  const Assignment& best() const { return best_; }
  int64_t best_cost() const { return best_cost_; }
  int64_t priced() const { return done_; }

 private:
  double Passed() const {
    if (options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed)) return 1;
    const auto spent = absl::FromChrono(std::chrono::steady_clock::now() - begun_);
    return std::max(absl::FDivDuration(spent, options_.time),
                    static_cast<double>(done_) / static_cast<double>(options_.iterations));
  }
  uint32_t Below(uint32_t end) {
    return static_cast<uint32_t>((static_cast<uint64_t>(static_cast<uint32_t>(random_())) * end) >> 32);
  }
  int32_t AnyWorkload() { return free_[Below(static_cast<uint32_t>(free_.size()))]; }
  bool Accepts(int64_t price, double temperature) {
    if (price <= 0) return true;
    if (temperature <= 0) return false;
    const double odds = static_cast<double>(price) / temperature;
    return odds < 30 && std::exp(-odds) * 0x1p53 > static_cast<double>(random_() >> 11);
  }
  void Step(double temperature) {
    const int32_t workload = AnyWorkload();
    const int32_t at = packing_.now()[static_cast<size_t>(workload)];
    if (Below(1'000) < static_cast<uint32_t>(1'000 * kSwapRatio)) {
      const int32_t other = AnyWorkload();
      if (packing_.now()[static_cast<size_t>(other)] == at) return;
      const int64_t price = packing_.PriceOfSwap(workload, other);
      if (price != Packing::kForbidden && Accepts(price, temperature)) packing_.Swap(workload, other, price);
    } else {
      const auto host = static_cast<int32_t>(Below(hosts_));
      if (host == at) return;
      const int64_t price = packing_.PriceOfShift(workload, host);
      if (price != Packing::kForbidden && Accepts(price, temperature)) packing_.Shift(workload, host, price);
    }
  }
  double MeanUphill() {
    double sum = 0;
    int count = 0;
    for (int i = 0; i < 20'000 && count < 2'000; ++i) {
      const int32_t workload = AnyWorkload();
      const auto host = static_cast<int32_t>(Below(hosts_));
      if (host == packing_.now()[static_cast<size_t>(workload)]) continue;
      const int64_t price = packing_.PriceOfShift(workload, host);
      if (price == Packing::kForbidden || price <= 0) continue;
      sum += static_cast<double>(price);
      ++count;
    }
    return count == 0 ? 1 : sum / count;
  }
  void KeepBest() {
    if (packing_.cost() >= best_cost_) return;
    best_cost_ = packing_.cost();
    best_ = packing_.now();
  }
  void GoTo(const Assignment& assignment) {
    const Problem& problem = packing_.problem();
    const Assignment before = packing_.before();
    packing_ = Packing(problem, before, assignment);
    packing_.LimitMoved(options_.most_moved);
  }

  const AnnealOptions& options_;
  Packing packing_;
  Assignment best_;
  int64_t best_cost_;
  std::mt19937_64 random_;
  std::vector<int32_t> free_;
  uint32_t hosts_ = 0;
  std::chrono::steady_clock::time_point begun_;
  bool descends_ = false;
  int64_t done_ = 0;
};

}  // namespace

absl::StatusOr<Annealed> Anneal(const Problem& problem, const Assignment& before, const AnnealOptions& options) {
  TRUCE_RETURN_IF_ERROR(Check(problem));
  TRUCE_RETURN_IF_ERROR(CheckAssignment(problem, before));
  Annealed result;
  result.assignment = before;
  result.cost = result.cost_before = CostOf(problem, before, before).Sum();
  std::vector<std::unique_ptr<Search>> searches;
  for (int i = 0; i < std::max(1, options.threads); ++i) {
    searches.push_back(
        std::make_unique<Search>(problem, before, options, options.seed * 1'000'003 + static_cast<uint64_t>(i)));
  }
  std::vector<std::thread> threads;
  for (size_t i = 1; i < searches.size(); ++i) threads.emplace_back([&, i] { searches[i]->Run(); });
  searches[0]->Run();
  for (std::thread& thread : threads) thread.join();
  for (const auto& search : searches) {
    result.priced += search->priced();
    if (search->best_cost() >= result.cost) continue;
    result.cost = search->best_cost();
    result.assignment = search->best();
  }
  return result;
}

}  // namespace truce::controller::pack
