#include "models/forecast/forecaster.h"

#include "src/base/status.h"
#include "src/base/text.h"

namespace truce {

absl::Status CheckRequest(size_t steps, absl::Span<const double> quantiles) {
  if (steps == 0) return absl::InvalidArgumentError("a forecast needs at least one step");
  if (quantiles.empty()) return absl::InvalidArgumentError("a forecast needs at least one quantile");
  double last = 0;
  for (const double quantile : quantiles) {
    if (!(quantile > last && quantile < 1)) {
      return absl::InvalidArgumentError(
          StrCat("quantile ", quantile, ": quantiles must ascend and lie between 0 and 1"));
    }
    last = quantile;
  }
  return absl::OkStatus();
}

absl::Status CheckStepsAhead(absl::Span<const size_t> steps_ahead) {
  if (steps_ahead.empty()) return absl::InvalidArgumentError("a forecast needs at least one step");
  size_t last = 0;
  for (const size_t step : steps_ahead) {
    if (step <= last) {
      return absl::InvalidArgumentError(StrCat("step ", step, " after ", last, ": steps must ascend from 1"));
    }
    last = step;
  }
  return absl::OkStatus();
}

absl::StatusOr<Forecast> Forecaster::PredictAt(absl::Span<const size_t> steps_ahead,
                                               absl::Span<const double> quantiles) const {
  TRUCE_RETURN_IF_ERROR(CheckStepsAhead(steps_ahead));
  TRUCE_ASSIGN_OR_RETURN(const Forecast all, Predict(steps_ahead.back(), quantiles));
  Forecast some{steps_ahead.size(), all.quantiles, {}, {}};
  for (const size_t step : steps_ahead) {
    for (size_t q = 0; q < quantiles.size(); ++q) {
      some.values.push_back(all.Value(step - 1, q));
      some.peaks.push_back(all.Peak(step - 1, q));
    }
  }
  return some;
}

}  // namespace truce
