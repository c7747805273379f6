#include "controller/plan/pack/anneal.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "controller/plan/pack/cooling.h"
#include "controller/plan/pack/moves.h"
#include "controller/plan/pack/packing.h"
#include "controller/plan/pack/random.h"
#include "src/base/status.h"

namespace truce::controller::pack {
namespace {

// Changes between two looks at the clock; and so many looks at least.
constexpr int64_t kStride = 2'048;
constexpr int64_t kLooks = 1'000;
// A cooling takes so many changes, times the number of places for a workload to the power of 1.5; what there is time
// for beyond that goes into more of them, at most so many.
constexpr double kChangesOfCooling = 50;
constexpr double kMostCoolings = 8;

std::vector<int32_t> FreeOf(const Packing& packing) {
  std::vector<int32_t> free;
  for (int32_t w = 0; w < static_cast<int32_t>(packing.problem().workloads()); ++w) {
    if (!packing.IsPinned(w)) free.push_back(w);
  }
  return free;
}

// One thread's search.
class Search {
 public:
  Search(const Problem& problem, const Assignment& before, const AnnealOptions& options, uint64_t seed)
      : options_(options),
        packing_(problem, before, before),
        best_(before),
        best_cost_(packing_.cost()),
        random_(seed),
        free_(FreeOf(packing_)),
        moves_(packing_, random_, free_) {
    packing_.LimitMoved(options.most_moved);
  }

  void Run() {
    if (free_.empty() || packing_.problem().hosts() < 2) return;
    begun_ = std::chrono::steady_clock::now();
    for (double passed = Passed(); passed < 1; passed = Passed()) {
      const Cooling::Phase phase = Cooling::PhaseAt(passed);
      if (phase != phase_) Enter(phase);
      const double temperature = cooling_.Temperature(passed);
      const int64_t stride = std::clamp<int64_t>(options_.iterations / kLooks, 1, kStride);
      const int64_t end = done_ + std::min(stride, options_.iterations - done_);
      for (; done_ < end; ++done_) moves_.Step(temperature);
      if (phase == Cooling::Phase::kPilot) cooling_.Note(temperature, packing_.cost());
      KeepBest();
    }
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
  void Enter(Cooling::Phase phase) {
    phase_ = phase;
    if (phase == Cooling::Phase::kPilot) {
      best_before_pilot_ = best_cost_;
      cooling_.Begin(moves_.MeanUphill());
    } else if (phase == Cooling::Phase::kMain) {
      if (cooling_.Choose(best_before_pilot_, best_cost_, Coolings())) GoToBest();
    } else if (phase == Cooling::Phase::kLastDescent) {
      GoToBest();
    }
  }
  // At the pace up to now.
  int Coolings() const {
    const double changes = static_cast<double>(done_) / Passed();
    const double places = static_cast<double>(free_.size()) * static_cast<double>(packing_.problem().hosts());
    return static_cast<int>(std::clamp(changes / (kChangesOfCooling * std::pow(places, 1.5)), 1.0, kMostCoolings));
  }
  void KeepBest() {
    if (packing_.cost() >= best_cost_) return;
    best_cost_ = packing_.cost();
    best_ = packing_.now();
  }
  void GoToBest() {
    if (packing_.cost() <= best_cost_) return;
    packing_ = Packing(packing_.problem(), Assignment(packing_.before()), best_);
    packing_.LimitMoved(options_.most_moved);
  }

  const AnnealOptions& options_;
  Packing packing_;
  Assignment best_;
  int64_t best_cost_;
  int64_t best_before_pilot_ = 0;
  Random random_;
  std::vector<int32_t> free_;
  Moves moves_;
  Cooling cooling_;
  Cooling::Phase phase_ = Cooling::Phase::kFirstDescent;
  std::chrono::steady_clock::time_point begun_;
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
