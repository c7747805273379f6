// What a series will be next: the interface of all methods, ours and those that we are compared with. Pure; an object
// is one series' and one thread's.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace truce {

// Quantiles of the next steps of a series, in its own units. Step 0 is the first after the newest value. Along steps
// and peaks quantiles never cross: a higher one is never below a lower one.
struct Forecast {
  size_t steps = 0;
  // Ascending, each within (0, 1).
  std::vector<double> quantiles;
  // [steps x quantiles], row by row: of the value at that step.
  std::vector<double> values;
  // [steps x quantiles]: of the largest value from the first step to that one. What a capacity has to hold.
  std::vector<double> peaks;

  double Value(size_t step, size_t quantile) const { return values[step * quantiles.size() + quantile]; }
  double Peak(size_t step, size_t quantile) const { return peaks[step * quantiles.size() + quantile]; }
};

class Forecaster {
 public:
  virtual ~Forecaster() = default;
  // Learns from one series, oldest first, NaN where nothing is known; forgets what it had learned and seen before. Its
  // last value is the newest. InvalidArgument when there is no value at all; methods that need more than there is fall
  // back on a simpler one of their own kind and say so in their contract.
  virtual absl::Status Fit(absl::Span<const double> history) = 0;
  // The next value of the series, NaN when it is missing. Learns nothing costly: at most O(memory of the method).
  virtual void Observe(double value) = 0;
  // From the newest value on. FailedPrecondition before Fit; InvalidArgument for no steps, or quantiles that are none
  // or don't ascend within (0, 1).
  virtual absl::StatusOr<Forecast> Predict(size_t steps, absl::Span<const double> quantiles) const = 0;
  // The same at some steps only, ascending from 1 (the next value): row i of what comes is about steps_ahead[i], its
  // peak from the next value to there. Cheaper than Predict where quantiles are what costs.
  virtual absl::StatusOr<Forecast> PredictAt(absl::Span<const size_t> steps_ahead,
                                             absl::Span<const double> quantiles) const;

  // Methods that fit models may learn anew from newer values, which costs milliseconds: whoever owns many forecasters
  // does it for a few at a time (models/forecast/refits.h). Whether there is enough new for it to be worth that.
  virtual bool WantsRefit() const { return false; }
  // Learns anew from the newest values that it kept. What it says changes, but nothing that it saw is forgotten. Of
  // other methods, and with nothing known to learn from, no effect.
  virtual void Refit() {}
};

// Ok when there are steps and they ascend from 1.
absl::Status CheckStepsAhead(absl::Span<const size_t> steps_ahead);

// Ok when `quantiles` ascend within (0, 1) and `steps` > 0; says what is wrong otherwise.
absl::Status CheckRequest(size_t steps, absl::Span<const double> quantiles);

}  // namespace truce
