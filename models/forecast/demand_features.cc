#include "models/forecast/demand_features.h"

#include <algorithm>
#include <cmath>

namespace truce {
namespace {

constexpr std::array<double, 3> kSmoothing = {0.5, 0.2, 0.05};
// The unit is at least this part of the values' mean size: a series that hardly ever changes has no change to measure
// by.
constexpr double kLeastUnitRatio = 0.01;
constexpr double kTiny = 1e-9;
// Where the season begins in a DemandInput, what many size by, and where the leader's push begins.
constexpr size_t kSeasonAt = 16;
constexpr size_t kSizedByAt = 24;
constexpr size_t kPushAt = kDemandInputs - kDemandPushInputs;
static_assert(kPushAt == kSizedByAt + 1);

}  // namespace

DemandFeatures::DemandFeatures(size_t season_steps)
    : season_steps_(season_steps), ring_(std::max(kLongWindow, season_steps) + 1, 0.0) {}

double DemandFeatures::Ago(size_t steps) const {
  return ring_[(seen_ - 1 - steps) % ring_.size()];
}

std::pair<double, double> DemandFeatures::RangeOfLast(size_t count) const {
  double low = newest_, high = newest_;
  const auto widen = [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      low = std::min(low, ring_[i]);
      high = std::max(high, ring_[i]);
    }
  };
  const size_t end = (seen_ - 1) % ring_.size() + 1;
  widen(end - std::min(count, end), end);
  if (count > end) widen(ring_.size() - (count - end), ring_.size());
  return {low, high};
}

float DemandFeatures::Scaled(double difference) const {
  return static_cast<float>(std::asinh(difference / unit_));
}

void DemandFeatures::UpdateMeans(double value) {
  const auto count = static_cast<double>(seen_);
  const auto weight = [count](double most) { return 1 / std::min(count, most); };
  if (seen_ == 1) {
    levels_.fill(value);
    largest_ = value;
  } else {
    last_change_ = value - newest_;
    const double changes = count - 1;
    mean_change_ += (std::abs(last_change_) - mean_change_) / std::min(changes, kMostMeanValues);
    const double unchanged = std::abs(last_change_) < kTiny ? 1 : 0;
    unchanged_ratio_ += (unchanged - unchanged_ratio_) / std::min<double>(changes, kLongWindow);
  }
  mean_ += weight(kMostMeanValues) * (value - mean_);
  mean_size_ += weight(kMostMeanValues) * (std::abs(value) - mean_size_);
  largest_ = std::max(largest_, value);
  unit_ = mean_change_ + kLeastUnitRatio * mean_size_ + kTiny;
  for (size_t i = 0; i < levels_.size(); ++i) levels_[i] += std::max(kSmoothing[i], 1 / count) * (value - levels_[i]);
}

void DemandFeatures::Observe(double value, const LeaderPush& push) {
  const bool missing = !std::isfinite(value);
  if (missing) value = newest_;
  ++seen_;
  ring_[(seen_ - 1) % ring_.size()] = value;
  UpdateMeans(value);
  newest_ = value;
  FillInput(value, missing);
  FillSeason(value);
  FillPush(push);
}

void DemandFeatures::FillInput(double value, bool missing) {
  double short_high = value, short_low = value, distance = 0;
  const size_t recent = std::min(seen_, kShortWindow);
  for (size_t i = 0; i < recent; ++i) {
    const double then = Ago(i);
    short_high = std::max(short_high, then);
    short_low = std::min(short_low, then);
    distance += std::abs(then - value) / static_cast<double>(recent);
  }
  const auto [low, high] = RangeOfLast(std::min(seen_, kLongWindow));
  const std::array<double, 11> differences = {
      value - levels_[0], value - levels_[1], value - levels_[2], value - mean_,    last_change_, short_high - value,
      short_low - value,  high - value,       low - value,        largest_ - value, distance};
  size_t at = 0;
  for (const double difference : differences) input_[at++] = Scaled(difference);
  input_[at++] = static_cast<float>(std::log(unit_ / (mean_size_ + kTiny) + 1e-3) / 3);
  input_[at++] = static_cast<float>(unchanged_ratio_);
  input_[at++] = largest_ > 0 ? static_cast<float>(value / largest_) : 0;
  input_[at++] = missing ? 1 : 0;
  input_[at] = static_cast<float>(std::min(seen_, kLongWindow)) / static_cast<float>(kLongWindow);
}

// What came a season ago at the steps that lie ahead now, the largest of them, and then.
void DemandFeatures::FillSeason(double value) {
  // What many size by: the largest of the last hour and of the same hour yesterday.
  input_[kSizedByAt] = input_[5];
  const size_t farthest = kDemandHorizons.back();
  if (season_steps_ <= farthest || seen_ <= season_steps_) return;
  size_t at = kSeasonAt;
  input_[at++] = 1;
  for (const size_t horizon : kDemandHorizons) input_[at++] = Scaled(Ago(season_steps_ - horizon) - value);
  double highest = Ago(season_steps_ - 1);
  for (size_t step = 2; step <= farthest; ++step) highest = std::max(highest, Ago(season_steps_ - step));
  input_[at++] = Scaled(highest - value);
  input_[at++] = Scaled(Ago(season_steps_) - value);
  input_[at] = std::max(input_[5], Scaled(highest - value));
}

void DemandFeatures::FillPush(const LeaderPush& push) {
  size_t at = kPushAt;
  for (const double change : push.change) input_[at++] = Scaled(change);
  input_[at] = static_cast<float>(push.share);
}

}  // namespace truce
