#include "models/forecast/coverage.h"

#include <algorithm>
#include <cmath>

namespace truce {
namespace {

constexpr double kLowestLevel = 0.005;
constexpr double kHighestLevel = 0.998;

double LogOdds(double level) {
  return std::log(level / (1 - level));
}

const std::array<double, kDemandQuantiles.size()>& OddsOfQuantiles() {
  static const std::array<double, kDemandQuantiles.size()> odds = [] {
    std::array<double, kDemandQuantiles.size()> of = {};
    std::transform(kDemandQuantiles.begin(), kDemandQuantiles.end(), of.begin(), LogOdds);
    return of;
  }();
  return odds;
}

}  // namespace

float QuantileAt(const float* outputs, double level) {
  const auto& odds = OddsOfQuantiles();
  const double at = LogOdds(std::clamp(level, kLowestLevel, kHighestLevel));
  size_t upper = 1;
  while (upper + 1 < odds.size() && odds[upper] < at) ++upper;
  const double part = (at - odds[upper - 1]) / (odds[upper] - odds[upper - 1]);
  const double value = outputs[upper - 1] + part * (outputs[upper] - outputs[upper - 1]);
  return static_cast<float>(std::clamp<double>(value, -kFarthestDemand, kFarthestDemand));
}

double Coverage::Level(size_t target, size_t quantile) const {
  return std::clamp(kDemandQuantiles[quantile] + shift_[target * kCount + quantile], kLowestLevel, kHighestLevel);
}

void Coverage::Correct(double newest, double unit, std::array<float, kDemandOutputs>* outputs) {
  origins_[said_count_ % kFarthest] = {newest, unit};
  for (size_t target = 0; target < kDemandTargets; ++target) {
    float* const raw = outputs->data() + target * kCount;
    float* const row = Row(target, said_count_);
    for (size_t q = 0; q < kCount; ++q) row[q] = QuantileAt(raw, Level(target, q));
    std::sort(row, row + kCount);
    std::copy_n(row, kCount, raw);
  }
  ++said_count_;
}

void Coverage::Came(double value) {
  came_[came_count_++ % kFarthest] = value;
  for (size_t target = 0; target < kDemandTargets; ++target) {
    const size_t horizon = kRings.steps[target];
    if (said_count_ < horizon || came_count_ < horizon) continue;
    if (target < kDemandHorizons.size()) {
      if (std::isfinite(value)) Learn(target, value);
      continue;
    }
    double highest = value;
    for (size_t ago = 0; ago < horizon; ++ago) {
      const double then = came_[(came_count_ - 1 - ago) % kFarthest];
      highest = std::isfinite(then) ? std::max(highest, then) : then;
      if (!std::isfinite(then)) break;
    }
    if (std::isfinite(highest)) Learn(target, highest);
  }
}

// What was said of the target as many steps ago as its horizon has: `value` is what it was about.
void Coverage::Learn(size_t target, double value) {
  const size_t said = said_count_ - kRings.steps[target];
  const Origin& origin = origins_[said % kFarthest];
  const float* const row = Row(target, said);
  const double out = std::asinh((value - origin.newest) / origin.unit);
  for (size_t q = 0; q < kCount; ++q) {
    // The median is what is most likely right, and is left as it is.
    if (q == kDemandMedian) continue;
    float& shift = shift_[target * kCount + q];
    const double above = out > row[q] ? 1 : 0;
    const double quantile = kDemandQuantiles[q];
    const double moved = shift + kRate * (above - (1 - quantile));
    shift = static_cast<float>(std::clamp(moved, kLowestLevel - quantile, kHighestLevel - quantile));
  }
}

}  // namespace truce
