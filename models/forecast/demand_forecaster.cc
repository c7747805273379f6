#include "models/forecast/demand_forecaster.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "models/forecast/coverage.h"
#include "models/forecast/demand_features.h"
#include "src/base/text.h"

namespace truce {
namespace {

constexpr size_t kCount = kDemandQuantiles.size();
// Two weeks of five minutes: means and coverage have settled by then.
constexpr size_t kMostFitted = 4032;
// What is said may leave what was seen by its range and so many mean changes, by which a new series may grow.
constexpr double kUnitsBeyond = 20;

// A step between two horizons: their positions, how far it is from the first to the second, and how much wider than
// there it is.
struct Between {
  size_t first = 0;
  size_t second = 0;
  double part = 0;
  double wider = 1;
};

Between HorizonsAt(size_t steps_ahead) {
  const size_t last = kDemandHorizons.size() - 1;
  if (steps_ahead > kDemandHorizons[last]) {
    return {last, last, 0, std::sqrt(static_cast<double>(steps_ahead) / static_cast<double>(kDemandHorizons[last]))};
  }
  const auto second = std::lower_bound(kDemandHorizons.begin(), kDemandHorizons.end(), steps_ahead);
  const auto at = static_cast<size_t>(second - kDemandHorizons.begin());
  if (*second == steps_ahead) return {at, at, 0};
  const auto before = static_cast<double>(kDemandHorizons[at - 1]);
  return {at - 1, at, (static_cast<double>(steps_ahead) - before) / (static_cast<double>(*second) - before)};
}

size_t ValueTarget(size_t horizon) {
  return horizon;
}

// The most until the first horizon is the value there.
size_t PeakTarget(size_t horizon) {
  return horizon == 0 ? 0 : kDemandHorizons.size() + horizon - 1;
}

class DemandForecaster final : public LedForecaster {
 public:
  DemandForecaster(std::shared_ptr<const DemandModel> model, size_t season_steps)
      : model_(std::move(model)), season_steps_(season_steps), features_(season_steps), state_(model_->NewState()) {}

  absl::Status Fit(absl::Span<const double> history) override {
    return FitLed(history, std::vector<LeaderPush>(history.size()));
  }

  absl::Status FitLed(absl::Span<const double> history, absl::Span<const LeaderPush> pushes) override {
    if (pushes.size() != history.size()) {
      return absl::InvalidArgumentError(StrCat("the series has ", history.size(), " values and ", pushes.size(),
                                               " pushes of a leader; each value needs its own"));
    }
    const auto known = [](double value) { return std::isfinite(value); };
    if (std::none_of(history.begin(), history.end(), known)) {
      return absl::InvalidArgumentError("the series has no value; a forecast needs at least one");
    }
    features_ = DemandFeatures(season_steps_);
    state_ = model_->NewState();
    coverage_ = Coverage();
    step_due_ = correction_due_ = false;
    lowest_seen_ = std::numeric_limits<double>::infinity();
    highest_seen_ = -lowest_seen_;
    const auto most = history.size() - std::min(history.size(), kMostFitted);
    // Before the first that is known there is nothing to go by.
    const auto first = std::find_if(history.begin() + static_cast<std::ptrdiff_t>(most), history.end(), known);
    for (auto i = static_cast<size_t>(first - history.begin()); i < history.size(); ++i) {
      ObserveLed(history[i], pushes[i]);
    }
    return absl::OkStatus();
  }

  void Observe(double value) override { ObserveLed(value, {}); }

  void ObserveLed(double value, const LeaderPush& push) override {
    CatchUp();
    coverage_.Came(value);
    if (std::isfinite(value)) {
      lowest_seen_ = std::min(lowest_seen_, value);
      highest_seen_ = std::max(highest_seen_, value);
    }
    features_.Observe(value, push);
    step_due_ = correction_due_ = true;
  }

  void AddDueStep(DemandBatch* batch) override {
    if (step_due_) batch->Add({model_.get(), &features_.Current(), &state_, &step_due_});
  }

  absl::StatusOr<Forecast> Predict(size_t steps, absl::Span<const double> quantiles) const override {
    if (absl::Status status = CheckRequest(steps, quantiles); !status.ok()) return status;
    if (features_.seen() == 0) return absl::FailedPreconditionError("nothing was fitted yet");
    CatchUp();
    Forecast forecast;
    forecast.steps = steps;
    forecast.quantiles.assign(quantiles.begin(), quantiles.end());
    forecast.values.reserve(steps * quantiles.size());
    forecast.peaks.reserve(steps * quantiles.size());
    for (size_t step = 1; step <= steps; ++step) {
      const Between at = HorizonsAt(step);
      for (const double quantile : quantiles) {
        forecast.values.push_back(Demand(at, ValueTarget, quantile));
        double peak = std::max(Demand(at, PeakTarget, quantile), forecast.values.back());
        // No peak is below that of fewer steps.
        if (step > 1) peak = std::max(peak, forecast.peaks[forecast.peaks.size() - quantiles.size()]);
        forecast.peaks.push_back(peak);
      }
    }
    return forecast;
  }

 private:
  // The network's step after the newest value, and the correction of what it says.
  void CatchUp() const {
    if (step_due_) model_->Step(features_.Current(), &state_);
    if (correction_due_) coverage_.Correct(features_.newest(), features_.unit(), &state_.outputs);
    step_due_ = correction_due_ = false;
  }

  template <typename Target>
  double Demand(const Between& at, const Target& target, double quantile) const {
    const auto out = [&](size_t horizon) {
      return QuantileAt(state_.outputs.data() + target(horizon) * kCount, quantile);
    };
    const double first = out(at.first);
    const double median = state_.outputs[target(at.second) * kCount + kDemandMedian];
    const double asinh = median + at.wider * (first + at.part * (out(at.second) - first) - median);
    const double value = features_.newest() + features_.unit() * std::sinh(asinh);
    const double farther = highest_seen_ - lowest_seen_ + kUnitsBeyond * features_.unit();
    const double lowest = lowest_seen_ >= 0 ? std::max(0.0, lowest_seen_ - farther) : lowest_seen_ - farther;
    return std::clamp(value, lowest, highest_seen_ + farther);
  }

  std::shared_ptr<const DemandModel> model_;
  size_t season_steps_;
  DemandFeatures features_;
  // Due after each value until they are asked for.
  mutable bool step_due_ = false;
  mutable bool correction_due_ = false;
  // Its outputs are corrected in place.
  mutable DemandState state_;
  mutable Coverage coverage_;
  double lowest_seen_ = std::numeric_limits<double>::infinity();
  double highest_seen_ = -std::numeric_limits<double>::infinity();
};

}  // namespace

std::unique_ptr<LedForecaster> NewDemandForecaster(std::shared_ptr<const DemandModel> model, size_t season_steps) {
  return std::make_unique<DemandForecaster>(std::move(model), season_steps);
}

}  // namespace truce
