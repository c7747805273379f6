// Methods that name one value for each next step, and how they become forecasts with quantiles, so that all can be
// compared. Pure; an object is one series' and one thread's.
#pragma once

#include <cstddef>
#include <memory>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "models/forecast/forecaster.h"

namespace truce::lab {

// As Forecaster, without quantiles.
class PointMethod {
 public:
  virtual ~PointMethod() = default;
  // `history` has at least one value that is known.
  virtual void Fit(absl::Span<const double> history) = 0;
  virtual void Observe(double value) = 0;
  // Fills in the next steps.
  virtual void Predict(absl::Span<double> steps) const = 0;
};

// The median is the point itself, which is what a method is known by; other quantiles are the point plus the empirical
// quantile of the method's own past errors at that many steps, of peaks likewise, never on the other side of the
// median. The last 1024 errors at each step count. Fit collects errors over the second half of the history with what
// the first half taught, then teaches it the whole; Observe goes on with them. A step without errors yet has those of
// the nearest step before it that has some; with none at all every quantile is the point. Predict refuses more than
// `most_steps` steps.
std::unique_ptr<Forecaster> WithOwnErrors(std::unique_ptr<PointMethod> method, size_t most_steps);

// The point at every quantile: rules that name a capacity, as their users take them.
std::unique_ptr<Forecaster> AsItIs(std::unique_ptr<PointMethod> method);

}  // namespace truce::lab
