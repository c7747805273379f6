#include "agent/predict/demand_series.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace truce::agent {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
// The mean change forgets after so many steps.
constexpr double kMostChanges = 720;

// Of one forecast, in mean changes.
constexpr double kMostLoss = 100;

// Koenker and Bassett, Econometrica 46, 1978.
double QuantileLoss(double level, double said, double came) {
  return came >= said ? level * (came - said) : (1 - level) * (said - came);
}

}  // namespace

DueErrors& DueErrors::operator+=(const DueErrors& other) {
  count += other.count;
  loss += other.loss;
  naive_loss += other.naive_loss;
  squared_gain += other.squared_gain;
  above_p95 += other.above_p95;
  return *this;
}

void DemandSeries::Add(double value) {
  if (!std::isfinite(value)) return;
  sum_ += value;
  ++count_;
}

DemandStep DemandSeries::EndStep(double seconds, double step_seconds, const MakeDemandForecaster& make,
                                 DueByHorizon* due) {
  DemandStep step;
  const double value = step.value = count_ > 0 ? sum_ / count_ : kNothing;
  sum_ = 0;
  count_ = 0;
  if (std::isfinite(value)) {
    if (forecast_.steps > 0) {
      // As far again beyond the 99th percentile as that lies beyond the median: chance alone goes over it every hour.
      const double median = forecast_.Value(0, kToldMedian);
      step.most = forecast_.Value(0, kToldP99) + std::max(forecast_.Value(0, kToldP99) - median, least_jump_);
      step.left_band = value > step.most;
    }
    Judge(value, due);
    if (known_ > 0) {
      changes_ = std::min(changes_ + 1, kMostChanges);
      change_ += (std::fabs(value - newest_) - change_) / changes_;
    }
    newest_ = value;
    ++known_;
  }
  LookForAnomaly(seconds, step_seconds, value, &step);
  history_.push_back(static_cast<float>(value));
  if (history_.size() > kHistory) history_.pop_front();
  Foretell(make, value);
  return step;
}

// What was said k steps ago of k steps ahead is due now.
void DemandSeries::Judge(double value, DueByHorizon* due) const {
  const double unit = std::max(change_, 1e-9 * std::fabs(newest_));
  if (!(unit > 0)) return;
  for (size_t h = 0; h < kDemandHorizons.size(); ++h) {
    if (kDemandHorizons[h] > told_.size()) return;
    const Told& told = told_[kDemandHorizons[h] - 1];
    if (!std::isfinite(told.newest)) continue;
    double loss = (QuantileLoss(0.5, told.median[h], value) + QuantileLoss(0.95, told.p95[h], value)) / unit;
    double naive = (QuantileLoss(0.5, told.newest, value) + QuantileLoss(0.95, told.newest, value)) / unit;
    // A series that hardly ever moved and then did would outweigh all the others. What is compared is the two.
    const double over = std::max(loss, naive) / kMostLoss;
    if (over > 1) {
      loss /= over;
      naive /= over;
    }
    DueErrors& errors = (*due)[h];
    ++errors.count;
    errors.loss += loss;
    errors.naive_loss += naive;
    errors.squared_gain += (naive - loss) * (naive - loss);
    if (value > told.p95[h]) ++errors.above_p95;
  }
}

void DemandSeries::Foretell(const MakeDemandForecaster& make, double value) {
  if (forecaster_ == nullptr) {
    if (known_ < kLeastValues) return;
    const auto first = std::find_if(history_.begin(), history_.end(), [](float known) { return std::isfinite(known); });
    // A history of which nothing is known is waited out.
    if (first == history_.end()) return;
    std::unique_ptr<Forecaster> forecaster = make();
    const double begin = *first;
    if (!forecaster->Fit({&begin, 1}).ok()) return;
    for (auto next = first + 1; next != history_.end(); ++next) forecaster->Observe(*next);
    forecaster_ = std::move(forecaster);
  } else {
    forecaster_->Observe(value);
  }
  auto forecast = forecaster_->Predict(kDemandHorizons.back(), kToldQuantiles);
  if (!forecast.ok()) {
    forecast_ = {};
    told_.clear();
    return;
  }
  forecast_ = *std::move(forecast);
  Told& told = told_.emplace_front();
  told.newest = newest_;
  for (size_t h = 0; h < kDemandHorizons.size(); ++h) {
    told.median[h] = static_cast<float>(forecast_.Value(kDemandHorizons[h] - 1, kToldMedian));
    told.p95[h] = static_cast<float>(forecast_.Value(kDemandHorizons[h] - 1, kToldP95));
  }
  if (told_.size() > kDemandHorizons.back()) told_.pop_back();
}

void DemandSeries::Renew() {
  forecaster_.reset();
  forecast_ = {};
  told_.clear();
}

void DemandSeries::LookForAnomaly(double seconds, double step_seconds, double value, DemandStep* step) {
  if (std::isfinite(value)) {
    detector_sum_ += value;
    ++detector_count_;
  }
  detector_seconds_ += step_seconds;
  if (detector_seconds_ < kAnomalyStep - step_seconds / 2) return;
  const double before = anomaly_score_;
  anomaly_score_ = detector_.Observe(seconds, detector_count_ > 0 ? detector_sum_ / detector_count_ : kNothing);
  step->anomaly_score = anomaly_score_;
  step->anomaly = anomaly_score_ >= AnomalyDetector::kThreshold && before < AnomalyDetector::kThreshold;
  detector_sum_ = 0;
  detector_count_ = 0;
  detector_seconds_ = 0;
}

}  // namespace truce::agent
