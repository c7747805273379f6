#include "models/forecast/coverage.h"

#include <algorithm>
#include <cmath>

namespace truce {
namespace {

constexpr size_t kCount = kDemandQuantiles.size();
constexpr double kLowestLevel = 0.005;
constexpr double kHighestLevel = 0.998;

double LogOdds(double level) {
  return std::log(level / (1 - level));
}

const std::array<double, kCount>& OddsOfQuantiles() {
  static const std::array<double, kCount> odds = [] {
    std::array<double, kCount> of = {};
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
  while (upper + 1 < kCount && odds[upper] < at) ++upper;
  const double part = (at - odds[upper - 1]) / (odds[upper] - odds[upper - 1]);
  const double value = outputs[upper - 1] + part * (outputs[upper] - outputs[upper - 1]);
  return static_cast<float>(std::clamp<double>(value, -kFarthestDemand, kFarthestDemand));
}

double Coverage::Level(size_t target, size_t quantile) const {
  return std::clamp(kDemandQuantiles[quantile] + shift_[target * kCount + quantile], kLowestLevel, kHighestLevel);
}

void Coverage::Correct(double newest, double unit, std::array<float, kDemandOutputs>* outputs) {
  Said& said = said_.emplace_front(Said{newest, unit, *outputs});
  for (size_t target = 0; target < kDemandTargets; ++target) {
    const float* const raw = outputs->data() + target * kCount;
    float* const row = said.outputs.data() + target * kCount;
    for (size_t q = 0; q < kCount; ++q) row[q] = QuantileAt(raw, Level(target, q));
    std::sort(row, row + kCount);
  }
  *outputs = said.outputs;
  if (said_.size() > kDemandHorizons.back()) said_.pop_back();
}

void Coverage::Came(double value) {
  came_.push_front(value);
  if (came_.size() > kDemandHorizons.back()) came_.pop_back();
  for (size_t i = 0; i < kDemandHorizons.size(); ++i) {
    const size_t horizon = kDemandHorizons[i];
    if (said_.size() < horizon || came_.size() < horizon) continue;
    const Said& said = said_[horizon - 1];
    if (std::isfinite(value)) Learn(said, i, value);
    if (i == 0) continue;
    const auto end = came_.begin() + static_cast<std::ptrdiff_t>(horizon);
    const bool all = std::all_of(came_.begin(), end, [](double one) { return std::isfinite(one); });
    if (all) Learn(said, kDemandHorizons.size() + i - 1, *std::max_element(came_.begin(), end));
  }
}

void Coverage::Learn(const Said& said, size_t target, double value) {
  const double out = std::asinh((value - said.newest) / said.unit);
  for (size_t q = 0; q < kCount; ++q) {
    // The median is what is most likely right, and is left as it is.
    if (q == kDemandMedian) continue;
    const size_t at = target * kCount + q;
    const double above = out > said.outputs[at] ? 1 : 0;
    const double quantile = kDemandQuantiles[q];
    shift_[at] =
        std::clamp(shift_[at] + kRate * (above - (1 - quantile)), kLowestLevel - quantile, kHighestLevel - quantile);
  }
}

}  // namespace truce
