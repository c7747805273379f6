// Keeps what a demand model says honest on the series at hand: where fewer or more values than a quantile promises come
// out below it, another level is asked of the model, until as many do. Adaptive conformal inference (Gibbs and Candes,
// "Adaptive Conformal Inference Under Distribution Shift", NeurIPS 2021), for each target and quantile on its own.
// Pure; one thread's; 2 kB, as every series of a host has one.
#pragma once

#include <array>
#include <cstddef>

#include "models/forecast/demand_model.h"

namespace truce {

// Of one target: the quantile at any level within (0, 1), between those that the model gives along their log-odds, and
// beyond them straight on. `outputs` ascend.
float QuantileAt(const float* outputs, double level);

// How Coverage keeps what was said of each target until it can be judged: a ring of as many rows as its horizon has
// steps, the rings one after another.
struct CoverageRings {
  std::array<size_t, kDemandTargets> steps = {};
  std::array<size_t, kDemandTargets> begin = {};
  size_t size = 0;
  constexpr CoverageRings() {
    for (size_t target = 0; target < kDemandTargets; ++target) {
      constexpr size_t kValues = kDemandHorizons.size();
      // The value at each horizon, then the largest until each but the first.
      steps[target] = kDemandHorizons[target < kValues ? target : target - kValues + 1];
      begin[target] = size;
      size += steps[target] * kDemandQuantiles.size();
    }
  }
};

class Coverage {
 public:
  // What is said now, about `newest` in steps of `unit`; corrected in place.
  void Correct(double newest, double unit, std::array<float, kDemandOutputs>* outputs);
  // What came of what was said before; NaN when it is missing. Before the next Correct.
  void Came(double value);
  // The level that is asked for instead of that of quantile q.
  double Level(size_t target, size_t quantile) const;

 private:
  static constexpr size_t kCount = kDemandQuantiles.size();
  static constexpr size_t kFarthest = kDemandHorizons.back();
  // What one miss moves a level by.
  static constexpr double kRate = 0.005;
  static constexpr CoverageRings kRings = {};
  struct Origin {
    double newest = 0;
    double unit = 1;
  };

  float* Row(size_t target, size_t said) {
    return said_.data() + kRings.begin[target] + said % kRings.steps[target] * kCount;
  }
  void Learn(size_t target, double value);

  size_t said_count_ = 0;
  size_t came_count_ = 0;
  std::array<Origin, kFarthest> origins_ = {};
  std::array<double, kFarthest> came_ = {};
  std::array<float, kRings.size> said_ = {};
  std::array<float, kDemandOutputs> shift_ = {};
};

}  // namespace truce
