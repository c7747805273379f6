// A model that is driven by one innovation a step: the form that exponential smoothing and ARIMA have in common, and
// all that is needed to filter a series on and to draw its futures. Pure; an object is one thread's.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace truce {

struct ModelState {
  std::vector<double> numbers;
  // Position within the season, for models that have one.
  size_t phase = 0;
};

// The next value of the series is Mean + Unit x innovation, where innovations are independent with mean 0 (single
// source of error: Hyndman, Koehler, Ord, Snyder, Forecasting with Exponential Smoothing, 2008, chapter 1).
class InnovationModel {
 public:
  virtual ~InnovationModel() = default;
  virtual double Mean(const ModelState& state) const = 0;
  // 1 for additive innovations, the mean for multiplicative ones.
  virtual double Unit(const ModelState& state) const = 0;
  // What an innovation still weighs so many steps later, from the step it came in, where it weighs 1: each value is
  // what would be expected without innovations plus all of them times their weights. Empty for models whose weights
  // depend on the state (those with multiplicative parts), which have to be run.
  virtual std::vector<double> Weights(size_t steps) const = 0;
  // One step on, O(size of the state). With innovation 0 it is what is expected, which is what a gap counts as.
  virtual void Advance(ModelState& state, double innovation) const = 0;

  // After the newest value.
  const ModelState& state() const { return state_; }
  // The next value, NaN when it is missing. Returns its innovation, NaN for a missing one.
  double Observe(double value) {
    const double innovation = (value - Mean(state_)) / Unit(state_);
    Advance(state_, std::isfinite(innovation) ? innovation : 0);
    return std::isfinite(innovation) ? innovation : std::nan("");
  }

 protected:
  ModelState state_;
};

}  // namespace truce
