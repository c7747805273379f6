#include "controller/plan/pack/cooling.h"

#include <algorithm>
#include <cmath>

namespace truce::controller::pack {
namespace {

// Parts of the whole at which the phases end.
constexpr double kFirstDescent = 0.02;
constexpr double kPilot = 0.12;
constexpr double kMain = 0.95;
// The first temperature of the pilot over the mean price of a change that makes it dearer, and the last over the first.
constexpr double kHottest = 20;
constexpr double kColdest = 1e-7;
// It is worth while from where the cost, on its way from that of the hottest to that of the coldest, has this part
// before it; to where it has only this part of itself.
constexpr double kFirstPart = 0.4;
constexpr double kLastPart = 5e-3;
// But not through more than this.
constexpr double kWidest = 1e-4;
// When it cools several times, it is to forget where it was before.
constexpr double kAgainHotter = 4;
// Without the time to get from there to what going downhill alone gave.
constexpr double kFirstPartInHaste = 0.01;

}  // namespace

Cooling::Phase Cooling::PhaseAt(double passed) {
  if (passed < kFirstDescent) return Phase::kFirstDescent;
  if (passed < kPilot) return Phase::kPilot;
  return passed < kMain ? Phase::kMain : Phase::kLastDescent;
}

void Cooling::Begin(double mean_uphill) {
  hottest_ = first_ = kHottest * mean_uphill;
  last_ = hottest_ * kColdest;
}

double Cooling::Temperature(double passed) const {
  switch (PhaseAt(passed)) {
    case Phase::kPilot:
      return hottest_ * std::pow(kColdest, (passed - kFirstDescent) / (kPilot - kFirstDescent));
    case Phase::kMain: {
      const double part = times_ * (passed - kPilot) / (kMain - kPilot);
      return first_ * std::pow(last_ / first_, part - std::floor(part));
    }
    default:
      return 0;
  }
}

void Cooling::Note(double temperature, int64_t cost) {
  pilot_.emplace_back(temperature, cost);
}

bool Cooling::Choose(int64_t best_before, int64_t best, int times) {
  times_ = times;
  if (pilot_.empty()) return false;
  const auto cost_at = [this](size_t i) { return static_cast<double>(pilot_[i].second); };
  double dearest = cost_at(0);
  for (size_t i = 0; i < pilot_.size(); ++i) dearest = std::max(dearest, cost_at(i));
  const double final = cost_at(pilot_.size() - 1);
  const bool in_haste = best == best_before && final > static_cast<double>(best);
  const double from = final + (in_haste ? kFirstPartInHaste : kFirstPart) * (dearest - final);
  const double to = final + kLastPart * std::abs(final);
  for (const auto& [temperature, cost] : pilot_) {
    if (static_cast<double>(cost) >= from) first_ = temperature;
    if (static_cast<double>(cost) >= to) last_ = temperature;
  }
  last_ = std::clamp(last_, kWidest * first_, first_);
  if (times > 1) first_ = std::min(kAgainHotter * first_, hottest_);
  pilot_.clear();
  return in_haste;
}

}  // namespace truce::controller::pack
