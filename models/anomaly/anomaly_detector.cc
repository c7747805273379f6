#include "models/anomaly/anomaly_detector.h"

#include <algorithm>
#include <cmath>

namespace truce {
namespace {

// Samples that the short and the long mean are of: an hour and five hours of five-minute samples.
constexpr double kShort = 12;
constexpr double kLong = 60;
// Samples that median and distance follow.
constexpr double kMemory = 1000;
// Before a day was seen twice nothing can be said to be unusual.
constexpr double kLearningSeconds = 2 * 86400;
// How much rarer than once in all that was seen something may be said to be, as a logarithm.
constexpr double kBeyondSeen = 4;
// The unit of logarithms is the median distance; this part of the mean distance where most values are all the same.
constexpr double kLeastUnit = 0.02;
// Steps of the medians, in distances. Distances count up to this many median ones, or one outlier would ruin them.
constexpr double kStep = 3 / kMemory;
constexpr double kMostReach = 100;
// Distances are cut here: beyond, none is any clearer. A smaller one is all that the mean takes in at once, or it would
// remember an absurd value for months.
constexpr double kMostDistance = 1e6;
constexpr double kMostTaken = 1e5;
// How fast the spacing is learned: a gap must not change it.
constexpr double kSpacingStep = 1.01;
// Values whose differences could overflow.
constexpr double kLargest = 1e300;

}  // namespace

// One way of looking at the series: a value of a stream, large where it is unusual.
struct AnomalyDetector::View {
  double value;
  // How many samples one event lasts in this stream: a mean over many is unusual as many times in a row, so
  // a sample's chance is that much larger than its event's (Leadbetter 1983: the extremal index).
  double event_samples = 1;
};

void AnomalyDetector::FadingMean::Add(double newest, double samples, double steps, double seen) {
  value += std::max(1 - std::pow(1 - 1 / samples, steps), 1 / seen) * (newest - value);
}

double AnomalyDetector::Observe(double time_seconds, double value) {
  Elapse(time_seconds);
  if (!std::isfinite(value)) return 0;
  value = std::clamp(value, -kLargest, kLargest);
  ++seen_;
  if (seen_ == 1) {
    middle_.Start(value);
    last_value_ = value;
    return 0;
  }
  const double significance = Learn(time_seconds, value);
  steps_ = 0;
  const double score = 1 / (1 + std::exp(bar_.Height() - significance));
  bar_.Judge(significance);
  return score;
}

void AnomalyDetector::Elapse(double time_seconds) {
  if (seen_ == 0) {
    begin_seconds_ = time_seconds_ = time_seconds;
    return;
  }
  const double elapsed = std::max(0.0, time_seconds - time_seconds_);
  time_seconds_ += elapsed;
  if (spacing_seconds_ == 0) {
    spacing_seconds_ = elapsed;
  } else if (elapsed > 0) {
    spacing_seconds_ *= elapsed > spacing_seconds_ ? kSpacingStep : 1 / kSpacingStep;
  }
  bar_.Pass(elapsed, spacing_seconds_);
  steps_ += spacing_seconds_ > 0 ? std::max(1.0, std::round(elapsed / spacing_seconds_)) : 1;
}

double AnomalyDetector::Learn(double time_seconds, double value) {
  const auto seen = static_cast<double>(seen_);
  const double weight = std::max(1 / kMemory, 1 / seen);
  const double away = value - middle_.value();
  const double taken = mean_distance_ > 0 ? std::min(std::abs(away), kMostTaken * mean_distance_) : std::abs(away);
  mean_distance_ += weight * (taken - mean_distance_);
  const auto in_distances = [&](double difference) {
    return mean_distance_ > 0 ? std::clamp(difference / mean_distance_, -kMostDistance, kMostDistance) : 0;
  };
  const double unit =
      std::max({distance_.value(), kLeastUnit * mean_distance_, 1e-9 * std::abs(middle_.value()), 1 / kLargest});
  const double point = in_distances(away);
  const double log_point = std::asinh(away / unit);
  const double jump = in_distances(value - last_value_);
  last_value_ = value;
  Follow(value);
  const double beyond = habit_.Beyond(time_seconds, point, weight);
  const double log_beyond = log_habit_.Beyond(time_seconds, log_point, weight);
  short_.Add(beyond, kShort, steps_, seen);
  long_.Add(beyond, kLong, steps_, seen);
  log_short_.Add(log_beyond, kShort, steps_, seen);
  log_long_.Add(log_beyond, kLong, steps_, seen);
  const std::array<View, kViews> views = {{{point},
                                           {jump},
                                           {-log_point},
                                           {short_.value, kShort},
                                           {long_.value, kLong},
                                           {log_short_.value, kShort},
                                           {-log_short_.value, kShort},
                                           {log_long_.value, kLong},
                                           {-log_long_.value, kLong}}};
  const bool learning = time_seconds_ - begin_seconds_ < kLearningSeconds;
  const double most = std::log(seen) + (learning ? 0 : kBeyondSeen);
  double odds = 0;
  for (size_t i = 0; i < kViews; ++i) {
    const double significance = tails_[i].Significance(views[i].value) + std::log(views[i].event_samples);
    odds += std::exp(std::min(significance, most));
    tails_[i].Add(views[i].value);
  }
  return std::log(odds / kViews);
}

void AnomalyDetector::Follow(double value) {
  const double distance = std::abs(value - middle_.value());
  const double reach =
      distance_.value() > 0 ? std::min(mean_distance_, kMostReach * distance_.value()) : mean_distance_;
  const double step = reach * std::max(kStep, 1 / std::sqrt(static_cast<double>(seen_)));
  middle_.Add(value, step);
  distance_.Add(distance, step);
}

}  // namespace truce
