// A quantile of a stream in one number, following slow changes. Pure.
#pragma once

#include <cstddef>

namespace truce {

// Stochastic approximation (Robbins and Monro 1951; for quantiles of streams Chen, Lambert and Pinheiro 2000,
// "Incremental quantile estimation for massive tracking"): a step up where the value is above, a smaller one down where
// it is below, so that both balance at the quantile.
class RunningQuantile {
 public:
  // `quantile` within (0, 1).
  explicit RunningQuantile(double quantile) : quantile_(quantile) {}
  void Start(double value) { value_ = value; }
  // `step` is how far a value moves it, in the stream's unit.
  void Add(double value, double step) {
    if (value > value_) {
      const double to = value_ + step * quantile_;
      value_ = to < value ? to : value;
    } else if (value < value_) {
      const double to = value_ - step * (1 - quantile_);
      value_ = to > value ? to : value;
    }
  }
  double value() const { return value_; }

 private:
  double quantile_;
  double value_ = 0;
};

}  // namespace truce
