// What of a series' changes its own past did not foresee. Two series that both swing or burst move together by chance
// far more often than their number of values says, so they are compared by these surprises only: an autoregression on
// the changes is taken away first (Haugh, "Checking the independence of two covariance-stationary time series", JASA
// 1976). It looks at the last changes and at how far the series has come from its levels over longer times (as Corsi,
// "A simple approximate long-memory model of realized volatility", JFEC 2009), so that a day that all of a host share
// is no surprise. Means fade. Pure; O(1) per value; one thread's.
#pragma once

#include <Eigen/Core>
#include <cstddef>

namespace truce {

// The newest change of a series.
struct Surprise {
  // Whether there is one: not when the value is missing, nor in the first kWhitenerWarmUp changes. Zeros below then,
  // but for `change`, which is told as soon as it is known.
  bool known = false;
  // In the series' unit, since the last value that was known; at most 100 mean sizes.
  double change = 0;
  // The same, at most 6 mean sizes.
  double bounded = 0;
  // What was not foreseen of the bounded change, in units of its root mean square; mean 0.
  double value = 0;
  // What the square of `value` was expected to be before it came.
  double expected_square = 0;
};

inline constexpr size_t kWhitenerWarmUp = 30;

class Whitener {
 public:
  // Means fade over so many values; at least 16.
  explicit Whitener(size_t memory_steps);
  // NaN when it is missing. A value beyond 1e100 counts as missing.
  Surprise Observe(double value);

 private:
  // The last changes, then the distances from the levels, all in mean sizes of a change.
  static constexpr int kChanges = 4;
  static constexpr int kLevels = 3;
  static constexpr int kTerms = kChanges + kLevels;
  using Terms = Eigen::Matrix<double, kTerms, 1>;

  // Least squares of changes on the terms before them.
  void Learn(double change, double weight);
  void Move(double change);

  double memory_;
  bool started_ = false;
  double last_ = 0;
  size_t changes_ = 0;
  double mean_change_ = 0;
  double mean_square_ = 0;
  double mean_value_ = 0;
  double long_square_ = 0;
  double short_square_ = 0;
  Terms terms_ = Terms::Zero();
  Terms coefficients_ = Terms::Zero();
  // Means of products of terms, and of terms with the next change.
  Eigen::Matrix<double, kTerms, kTerms> products_ = Eigen::Matrix<double, kTerms, kTerms>::Zero();
  Terms with_next_ = Terms::Zero();
};

}  // namespace truce
