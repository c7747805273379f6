#include "models/forecast/model_forecaster.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "models/forecast/line.h"
#include "src/base/status.h"

namespace truce {
namespace {

constexpr size_t kFitValues = 2000;

}  // namespace

Season ApplyRule(const SeasonRule& rule, absl::Span<const double> values) {
  switch (rule.kind) {
    case SeasonRule::Kind::kFound:
      return FindSeason(values);
    case SeasonRule::Kind::kAmong:
      return FindSeason(values, rule.periods);
    case SeasonRule::Kind::kGiven:
      if (rule.periods.empty() || values.size() < 2 * rule.periods[0]) return {};
      return {rule.periods[0], 1};
    case SeasonRule::Kind::kNone:
      return {};
  }
  return {};
}

absl::Status ModelForecaster::Fit(absl::Span<const double> history) {
  model_ = nullptr;
  profile_ = {};
  innovations_ = {};
  std::vector<double> values(history.begin(), history.end());
  for (double& value : values)
    if (std::isinf(value)) value = std::nan("");
  if (CountKnown(values) == 0) return absl::InvalidArgumentError("there is no value to learn a forecast from");
  lowest_seen_ = std::numeric_limits<double>::infinity();
  highest_seen_ = -lowest_seen_;
  for (const double value : values) Widen(value);

  size_t period = std::max<size_t>(ApplyRule(rule_, values).period, 1);
  if (period > longest_period_) {
    profile_ = SeasonProfile(values, period);
    for (size_t i = 0; i < values.size(); ++i) values[i] -= profile_.At(i);
    period = 1;
  }
  // Long gaps may have left nothing among the newest.
  const size_t newest = values.size() - std::min(values.size(), kFitValues);
  absl::Span<const double> used(values);
  if (CountKnown(used.subspan(newest)) > 0) used = used.subspan(newest);
  absl::StatusOr<FittedModel> fitted = fit_(used, period);
  if (!fitted.ok()) return fitted.status();
  model_ = std::move(fitted->model);
  next_index_ = values.size();
  // Innovations that a model was fitted to are smaller than those to come, by the degrees of freedom it took.
  const double count = static_cast<double>(CountKnown(fitted->innovations));
  const double free = std::max(count - static_cast<double>(fitted->parameters), 1.0);
  const double widened = std::sqrt(std::max(count / free, 1.0));
  for (const double innovation : fitted->innovations) innovations_.Add(innovation * widened);
  return absl::OkStatus();
}

void ModelForecaster::Observe(double value) {
  if (model_ == nullptr) return;
  Widen(value);
  innovations_.Add(model_->Observe(std::isfinite(value) ? value - profile_.At(next_index_) : std::nan("")));
  ++next_index_;
}

absl::StatusOr<Forecast> ModelForecaster::Predict(size_t steps, absl::Span<const double> quantiles) const {
  return PredictAt(EveryStep(steps), quantiles);
}

absl::StatusOr<Forecast> ModelForecaster::PredictAt(absl::Span<const size_t> steps_ahead,
                                                    absl::Span<const double> quantiles) const {
  if (model_ == nullptr) return absl::FailedPreconditionError("nothing was learned yet: Fit comes before Predict");
  TRUCE_RETURN_IF_ERROR(CheckStepsAhead(steps_ahead));
  TRUCE_RETURN_IF_ERROR(CheckRequest(steps_ahead.size(), quantiles));
  PathValues paths(steps_ahead.back() * kPaths);
  AddPathsTo(steps_ahead.back(), 1, &paths);
  return QuantilesOfPaths(steps_ahead, quantiles, &paths);
}

void ModelForecaster::AddPathsTo(size_t steps, double share, PathValues* sum) const {
  PathOptions options;
  std::vector<double> season;
  for (size_t step = 0; profile_.period() > 0 && step < steps; ++step)
    season.push_back(profile_.At(next_index_ + step));
  options.season = season;
  const double range = highest_seen_ - lowest_seen_;
  options.lowest = lowest_seen_ >= 0 ? std::max(lowest_seen_ - range, 0.0) : lowest_seen_ - range;
  options.highest = highest_seen_ + range;
  // A single value has no innovation to learn from.
  constexpr float kNone[] = {0};
  const absl::Span<const float> known = innovations_.Ascending();
  AddPaths(*model_, known.empty() ? kNone : known, options, steps, share, sum);
}

void ModelForecaster::Widen(double value) {
  if (!std::isfinite(value)) return;
  lowest_seen_ = std::min(lowest_seen_, value);
  highest_seen_ = std::max(highest_seen_, value);
}

}  // namespace truce
