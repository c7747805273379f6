// Forecasts by drawing futures from a model: what a forecaster of one model calls, and one of several. Pure and
// deterministic.
//
// Innovations are drawn from those that the model had instead of from a normal distribution: load has tails that no
// normal distribution has, and analytic variances (Hyndman et al. 2008, chapter 6) would say nothing of peaks. At each
// step the drawn ones are spread evenly over theirs, so that quantiles of the first step are those of the innovations;
// in what order is that of a lattice (Korobov 1959; Niederreiter, Random Number Generation and Quasi-Monte Carlo
// Methods, 1992, chapter 5), the same for every model, whose 127 paths tell as much as some 256 random ones.
#pragma once

#include <cstddef>
#include <limits>
#include <vector>

#include "absl/types/span.h"
#include "models/forecast/forecaster.h"
#include "models/forecast/innovation_model.h"

namespace truce {

inline constexpr size_t kPaths = 127;

struct PathOptions {
  // What is added at each step from the next value on, at least as many as there are steps; nothing when empty.
  absl::Span<const double> season;
  // No path leaves these; a multiplicative model would, now and then, grow beyond all reason.
  double lowest = -std::numeric_limits<double>::infinity();
  double highest = std::numeric_limits<double>::infinity();
};

// Values of [steps x kPaths], step by step.
using PathValues = std::vector<double>;

// Adds `share` of the model's values to `sum`, which has the size for that many steps. As all models have their
// innovations in the same order, a mean of several models' paths has about the mean of their quantiles.
// `innovations` ascend, at least one, no NaN. O(steps^2) a path for models with weights, O(steps x size of the state)
// for others.
void AddPaths(const InnovationModel& model, absl::Span<const float> innovations, const PathOptions& options,
              size_t steps, double share, PathValues* sum);

// Quantiles of the values and of the peaks of paths at these steps (Forecaster::PredictAt), which paths reach. `paths`
// holds the peaks afterwards. The request must be valid (CheckRequest, CheckStepsAhead).
Forecast QuantilesOfPaths(absl::Span<const size_t> steps_ahead, absl::Span<const double> quantiles, PathValues* paths);

// 1 to `steps`.
std::vector<size_t> EveryStep(size_t steps);

}  // namespace truce
