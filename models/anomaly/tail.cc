#include "models/anomaly/tail.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace truce {
namespace {

// Values that rate and spread are means of.
constexpr double kMemory = 1000;
// Peaks at or above a value from which on it is counted instead of extrapolated, and the first k of extrapolation.
constexpr size_t kOftenEnough = 4;
constexpr size_t kMostFitted = 32;
// A fit's mean excess is at least this part of all peaks': values that repeat exactly leave none.
constexpr double kLeastExcess = 0.5;
// Rates below say that the threshold is far off, not that the stream is quiet.
constexpr double kLeastRate = 1e-3;
// One value's distance counts as so many spreads at most, so that none ruins the threshold's steps.
constexpr double kMostSpreads = 30;
// Steps of the threshold in spreads: early it must find its place, later only follow.
constexpr double kStep = 0.02;
constexpr double kFirstSteps = 2;

}  // namespace

double Tail::Significance(double value) const {
  if (peaks_ == 0 || !(value > threshold_.value())) return 0;
  const double peak = -std::log(std::clamp(rate_, kLeastRate, 1.0));
  const auto n = static_cast<double>(peaks_);
  // The value itself is one of n + 1.
  const auto rarer_than = [&](size_t k) { return std::log((n + 1) / (static_cast<double>(k) + 1)); };
  size_t above = 0;
  while (above < kOftenEnough && above < peaks_ && sorted_[above] >= value) ++above;
  if (above == kOftenEnough) {
    while (above < peaks_ && sorted_[above] >= value) ++above;
    return peak + rarer_than(above);
  }
  if (peaks_ < kOftenEnough) return peak + rarer_than(above);
  double all = 0;
  for (size_t i = 0; i < peaks_; ++i) all += sorted_[i];
  const double least_excess = kLeastExcess * std::max(0.0, all / n - threshold_.value()) + 1e-9;
  double least = INFINITY;
  double sum = 0;
  size_t summed = 0;
  for (size_t k = kOftenEnough; k <= std::min(peaks_, kMostFitted); k *= 2) {
    for (; summed < k; ++summed) sum += sorted_[summed];
    const double from = k < peaks_ ? sorted_[k] : threshold_.value();
    const double excess = std::max(sum / static_cast<double>(k) - from, least_excess);
    least = std::min(least, peak + rarer_than(k) + std::max(0.0, value - from) / excess);
  }
  return least;
}

void Tail::Add(double value) {
  if (seen_ == 0) threshold_.Start(value);
  ++seen_;
  const double weight = std::max(1 / kMemory, 1 / static_cast<double>(seen_));
  const bool peak = value > threshold_.value();
  rate_ += weight * ((peak ? 1 : 0) - rate_);
  if (peak || peaks_ == 0) Keep(static_cast<float>(value));
  double away = std::abs(value - threshold_.value());
  if (spread_ > 0) away = std::min(away, kMostSpreads * spread_);
  spread_ += weight * (away - spread_);
  threshold_.Add(value, spread_ * std::max(kStep, kFirstSteps / std::sqrt(static_cast<double>(seen_))));
}

void Tail::Keep(float peak) {
  if (peaks_ == kPeaks) {
    auto* const oldest = std::find(sorted_.begin(), sorted_.end(), recent_[next_]);
    std::move(oldest + 1, sorted_.end(), oldest);
    --peaks_;
  }
  recent_[next_] = peak;
  next_ = (next_ + 1) % kPeaks;
  auto* const end = sorted_.begin() + peaks_;
  auto* const place = std::upper_bound(sorted_.begin(), end, peak, std::greater<>());
  std::move_backward(place, end, end + 1);
  *place = peak;
  ++peaks_;
}

}  // namespace truce
