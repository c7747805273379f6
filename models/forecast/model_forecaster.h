// A forecaster made from any way of fitting one model. models/forecast/methods.h names those there are.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "models/forecast/innovation_model.h"
#include "models/forecast/methods.h"
#include "models/forecast/paths.h"
#include "models/forecast/recent_innovations.h"
#include "models/forecast/season.h"

namespace truce {

struct FittedModel {
  std::unique_ptr<InnovationModel> model;  // after the newest value
  std::vector<double> innovations;         // NaN where there is none
  size_t parameters = 0;                   // that were fitted, without the variance
};

// Fits values (some are there) with a season of `period`, 1 for none.
using FitModel = std::function<absl::StatusOr<FittedModel>(absl::Span<const double> values, size_t period)>;

// The season that the rule finds in the values; period 0 for none.
Season ApplyRule(const SeasonRule& rule, absl::Span<const double> values);

class ModelForecaster : public Forecaster {
 public:
  // Seasons longer than `longest_period` are taken off before `fit` sees the values.
  ModelForecaster(FitModel fit, size_t longest_period, SeasonRule rule)
      : fit_(std::move(fit)), longest_period_(longest_period), rule_(std::move(rule)) {}

  absl::Status Fit(absl::Span<const double> history) override;
  void Observe(double value) override;
  absl::StatusOr<Forecast> Predict(size_t steps, absl::Span<const double> quantiles) const override;
  absl::StatusOr<Forecast> PredictAt(absl::Span<const size_t> steps_ahead,
                                     absl::Span<const double> quantiles) const override;
  // Adds `share` of its paths (paths.h) to `sum`, which has the size for so many steps. After a Fit that was Ok.
  void AddPathsTo(size_t steps, double share, PathValues* sum) const;

 private:
  void Widen(double value);

  FitModel fit_;
  size_t longest_period_;
  SeasonRule rule_;

  std::unique_ptr<InnovationModel> model_;
  SeasonProfile profile_;
  // Of the next value, counted from the first of the history.
  size_t next_index_ = 0;
  RecentInnovations innovations_;
  double lowest_seen_ = 0;
  double highest_seen_ = 0;
};

// The forecasters of methods.h as what they are, for those who mix their paths.
std::unique_ptr<ModelForecaster> NewEtsModelForecaster(SeasonRule season);
std::unique_ptr<ModelForecaster> NewArimaModelForecaster(SeasonRule season);
std::unique_ptr<ModelForecaster> NewSesModelForecaster(SeasonRule season);
std::unique_ptr<ModelForecaster> NewNaiveModelForecaster();

}  // namespace truce
