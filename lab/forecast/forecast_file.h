// truce-lab forecast: forecasts of a file of series, each from what was known at its origin and nothing after it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace truce::lab {

struct ForecastFileOptions {
  // As ParseSeriesCsv reads it, packed or not.
  std::string input;
  // Gets series,origin,h,qQ...: see docs/lab.md. Replaced when it is there, and only by a whole one; a device or a pipe
  // is written to.
  std::string output;
  std::string model = "auto";
  // Known values of each series, from the oldest on, that are learned from; at least 2. The first origin is the last
  // of them.
  size_t train_until = 0;
  // Steps of each forecast.
  size_t horizon = 12;
  std::vector<double> quantiles = {0.5, 0.9, 0.95};
  // Known values from one origin to the next.
  size_t stride = 1;
  int threads = 2;
};

struct ForecastFileSummary {
  size_t series = 0;
  size_t forecasts = 0;
  // Series with fewer values than train_until.
  std::vector<std::string> too_short;
  // Of all fits and all forecasts, by whichever thread; what pooled methods took to learn is in neither.
  double fit_seconds = 0;
  double forecast_seconds = 0;
  double wall_seconds = 0;
};

// InvalidArgument for what can't be asked for, a model that is not built in, input that can't be read as series, and
// series that the model can't follow; FailedPrecondition when no series is long enough. Every quantile is a finite
// number.
absl::StatusOr<ForecastFileSummary> ForecastFile(const ForecastFileOptions& options);

}  // namespace truce::lab
