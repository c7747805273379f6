// The smallest value of a function of a few parameters: the one door to NLopt. Whoever fits a model calls it.
#pragma once

#include <functional>
#include <vector>

#include "absl/types/span.h"

namespace truce {

// What is minimised. May return infinity where a point is not allowed. Less than 1e-8 is not worth another step.
using Objective = std::function<double(absl::Span<const double>)>;

struct Minimum {
  std::vector<double> point;
  double value = 0;
};

// Without derivatives, within bounds: Subplex (Rowan, 1990). For functions with kinks and forbidden points. `step` is
// about how far each parameter may be off. Ends after `evaluations` or when nothing of weight is left to gain. The
// start must be within the bounds; what comes back is the best point seen, the start if there is none better.
Minimum MinimiseSubplex(const Objective& objective, absl::Span<const double> start, absl::Span<const double> step,
                        absl::Span<const double> lower, absl::Span<const double> upper, int evaluations);

// For smooth functions without bounds: limited-memory BFGS (Nocedal, 1980) on differences of the function. Parameters
// should be scaled so that a change of 1 matters. What comes back is the best point seen.
Minimum MinimiseSmooth(const Objective& objective, absl::Span<const double> start, int evaluations);

}  // namespace truce
