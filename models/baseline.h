// What is usual for one signal of one workload: mean and spread over quiet times, forgetting slowly.
#pragma once

#include <cstdint>

namespace truce {

// Exponentially forgetting mean and variance (West, "Updating mean and variance estimates", CACM 22(9), 1979, with a
// constant weight once the memory is full). The caller decides what is quiet: outliers must not be learned.
class Baseline {
 public:
  // Remembers about `memory` samples; `floor` is the smallest spread it admits, so that a signal that never moved does
  // not make every flicker an outlier.
  explicit Baseline(double memory = 600, double floor = 0) : memory_(memory), floor_(floor) {}

  void Learn(double value);
  uint64_t count() const { return count_; }
  double mean() const { return mean_; }
  // Standard deviation, at least the floor.
  double stddev() const;
  // How many spreads `value` lies above the mean; negative below.
  double Deviation(double value) const { return (value - mean_) / stddev(); }
  // The value beyond which a sample is an outlier: mean + sigmas x stddev.
  double Threshold(double sigmas) const { return mean_ + sigmas * stddev(); }

 private:
  double memory_;
  double floor_;
  uint64_t count_ = 0;
  double mean_ = 0;
  double variance_ = 0;
};

}  // namespace truce
