#include "lab/forecast/point_method.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <utility>
#include <vector>

#include "lab/forecast/recent_errors.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

constexpr size_t kErrorsKept = 1024;

bool AnyKnown(absl::Span<const double> values) {
  return std::any_of(values.begin(), values.end(), [](double value) { return !std::isnan(value); });
}

absl::Status NothingKnown() {
  return absl::InvalidArgumentError("there is no value to learn from");
}

absl::Status NotFitted() {
  return absl::FailedPreconditionError("Fit comes before Predict");
}

// A prediction whose steps are still to come true.
struct Pending {
  std::vector<double> steps;
  // The largest of the steps so far, and of what came; NaN once a value was missing, which may have been the largest.
  double predicted_peak = -INFINITY;
  double actual_peak = -INFINITY;
};

class OwnErrors : public Forecaster {
 public:
  OwnErrors(std::unique_ptr<PointMethod> method, size_t most_steps)
      : method_(std::move(method)),
        most_steps_(most_steps),
        errors_(most_steps, RecentErrors(kErrorsKept)),
        peak_errors_(most_steps, RecentErrors(kErrorsKept)) {}

  absl::Status Fit(absl::Span<const double> history) override {
    if (!AnyKnown(history)) return NothingKnown();
    pending_.clear();
    for (RecentErrors& errors : errors_) errors.Clear();
    for (RecentErrors& errors : peak_errors_) errors.Clear();
    const absl::Span<const double> first = history.first(history.size() / 2);
    if (AnyKnown(first)) {
      method_->Fit(first);
      Await();
      for (const double value : history.subspan(first.size())) Observe(value);
      pending_.pop_front();  // the whole history has more to say of what comes next
    }
    method_->Fit(history);
    Await();
    fitted_ = true;
    return absl::OkStatus();
  }

  void Observe(double value) override {
    for (size_t ago = 0; ago < pending_.size(); ++ago) {
      Pending& pending = pending_[ago];
      pending.predicted_peak = std::max(pending.predicted_peak, pending.steps[ago]);
      if (std::isnan(value) || value > pending.actual_peak) pending.actual_peak = value;
      errors_[ago].Add(value - pending.steps[ago]);
      peak_errors_[ago].Add(pending.actual_peak - pending.predicted_peak);
    }
    method_->Observe(value);
    Await();
  }

  absl::StatusOr<Forecast> Predict(size_t steps, absl::Span<const double> quantiles) const override {
    TRUCE_RETURN_IF_ERROR(CheckRequest(steps, quantiles));
    if (!fitted_) return NotFitted();
    if (steps > most_steps_) {
      return absl::InvalidArgumentError(
          StrCat("a forecast of ", steps, " steps was asked for; this method was made for ", most_steps_));
    }
    Forecast forecast{steps, {quantiles.begin(), quantiles.end()}, {}, {}};
    forecast.values.reserve(steps * quantiles.size());
    forecast.peaks.reserve(steps * quantiles.size());
    const std::vector<double>& points = pending_.front().steps;
    double peak = -INFINITY;
    size_t source = 0;
    size_t peak_source = 0;
    for (size_t step = 0; step < steps; ++step) {
      if (!errors_[step].empty()) source = step;
      if (!peak_errors_[step].empty()) peak_source = step;
      peak = std::max(peak, points[step]);
      for (size_t i = 0; i < quantiles.size(); ++i) {
        const double value = Around(points[step], errors_[source], quantiles[i]);
        double highest = std::max(value, Around(peak, peak_errors_[peak_source], quantiles[i]));
        // The largest of more values is never below the largest of fewer.
        if (step > 0) highest = std::max(highest, forecast.Peak(step - 1, i));
        forecast.values.push_back(value);
        forecast.peaks.push_back(highest);
      }
    }
    return forecast;
  }

 private:
  static double Around(double point, const RecentErrors& errors, double quantile) {
    if (quantile == 0.5 || errors.empty()) return point;
    const double error = errors.Quantile(quantile);
    return point + (quantile > 0.5 ? std::max(0.0, error) : std::min(0.0, error));
  }

  // Predicts from here on.
  void Await() {
    if (pending_.size() == most_steps_) {
      pending_.push_front(std::move(pending_.back()));
      pending_.pop_back();
    } else {
      pending_.emplace_front().steps.resize(most_steps_);
    }
    Pending& pending = pending_.front();
    pending.predicted_peak = pending.actual_peak = -INFINITY;
    method_->Predict(absl::MakeSpan(pending.steps));
  }

  const std::unique_ptr<PointMethod> method_;
  const size_t most_steps_;
  // The newest first; that of `ago` has its step `ago` come true next.
  std::deque<Pending> pending_;
  std::vector<RecentErrors> errors_;
  std::vector<RecentErrors> peak_errors_;
  bool fitted_ = false;
};

class Rule : public Forecaster {
 public:
  explicit Rule(std::unique_ptr<PointMethod> method) : method_(std::move(method)) {}

  absl::Status Fit(absl::Span<const double> history) override {
    if (!AnyKnown(history)) return NothingKnown();
    method_->Fit(history);
    fitted_ = true;
    return absl::OkStatus();
  }

  void Observe(double value) override { method_->Observe(value); }

  absl::StatusOr<Forecast> Predict(size_t steps, absl::Span<const double> quantiles) const override {
    TRUCE_RETURN_IF_ERROR(CheckRequest(steps, quantiles));
    if (!fitted_) return NotFitted();
    Forecast forecast{steps, {quantiles.begin(), quantiles.end()}, {}, {}};
    std::vector<double> points(steps);
    method_->Predict(absl::MakeSpan(points));
    double peak = -INFINITY;
    for (const double point : points) {
      peak = std::max(peak, point);
      forecast.values.insert(forecast.values.end(), quantiles.size(), point);
      forecast.peaks.insert(forecast.peaks.end(), quantiles.size(), peak);
    }
    return forecast;
  }

 private:
  const std::unique_ptr<PointMethod> method_;
  bool fitted_ = false;
};

}  // namespace

std::unique_ptr<Forecaster> WithOwnErrors(std::unique_ptr<PointMethod> method, size_t most_steps) {
  return std::make_unique<OwnErrors>(std::move(method), std::max<size_t>(1, most_steps));
}

std::unique_ptr<Forecaster> AsItIs(std::unique_ptr<PointMethod> method) {
  return std::make_unique<Rule>(std::move(method));
}

}  // namespace truce::lab
