// Forecasts by drawing futures from a model: what a forecaster of one model calls. Pure and deterministic.
#pragma once

#include <functional>
#include <limits>

#include "absl/types/span.h"
#include "models/forecast/forecaster.h"
#include "models/forecast/innovation_model.h"

namespace truce {

struct PathOptions {
  // What is added at a step, 0 for the next value; nothing when empty.
  std::function<double(size_t)> season;
  // No path leaves these; a multiplicative model would, now and then, grow beyond all reason.
  double lowest = -std::numeric_limits<double>::infinity();
  double highest = std::numeric_limits<double>::infinity();
};

// 500 paths, whose innovations are drawn from `innovations` (those that the model had; any order, at least one, no NaN)
// instead of a normal distribution: load has tails that no normal distribution has. At each step the drawn ones are
// spread evenly over theirs (stratified), so that quantiles of the first step are those of the innovations; their order
// is random with a fixed seed. Values' and peaks' quantiles are those of the paths (Hyndman and Fan's type 7), which
// holds for all models, where analytic variances would need normal innovations.
// The request must be valid (CheckRequest).
Forecast DrawPaths(const InnovationModel& model, absl::Span<const double> innovations, const PathOptions& options,
                   size_t steps, absl::Span<const double> quantiles);

}  // namespace truce
