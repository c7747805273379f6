// Keeps what a demand model says honest on the series at hand: where fewer or more values than a quantile promises come
// out below it, another level is asked of the model, until as many do. Adaptive conformal inference (Gibbs and Candes,
// "Adaptive Conformal Inference Under Distribution Shift", NeurIPS 2021), for each target and quantile on its own.
// Pure; one thread's.
#pragma once

#include <array>
#include <cstddef>
#include <deque>

#include "models/forecast/demand_model.h"

namespace truce {

using DemandQuantiles = std::array<float, kDemandQuantiles.size()>;

// Of one target: the quantile at any level within (0, 1), between those that the model gives along their log-odds, and
// beyond them straight on. `outputs` ascend.
float QuantileAt(const float* outputs, double level);

class Coverage {
 public:
  // What is said now, about `newest` in steps of `unit`; corrected in place.
  void Correct(double newest, double unit, std::array<float, kDemandOutputs>* outputs);
  // What came of what was said before; NaN when it is missing. Before the next Correct.
  void Came(double value);
  // The level that is asked for instead of that of quantile q.
  double Level(size_t target, size_t quantile) const;

 private:
  // What one miss moves a level by.
  static constexpr double kRate = 0.005;
  struct Said {
    double newest = 0;
    double unit = 1;
    std::array<float, kDemandOutputs> outputs = {};
  };
  void Learn(const Said& said, size_t target, double value);

  // Newest first, as many as the farthest horizon.
  std::deque<Said> said_;
  std::deque<double> came_;
  std::array<double, kDemandOutputs> shift_ = {};
};

}  // namespace truce
