// The demand LSTM as it is run: quantiles of what a series will be, at several horizons, and of the most that it will
// reach until then. Plain matrices, no libtorch; training (models/training/demand_trainer.h) makes it, and tests hold
// the two forward passes together.
//
//   inputs ─┬─► linear, tanh ─► LSTM ─► hidden ┐
//           └──────────────────────────────────┴─► linear, relu ─► linear ─► quantiles
//
// What comes out is in asinh units about the newest value: value = newest + unit * sinh(out). Of each target the median
// comes out as it is, and each further quantile as a step away from the one before, log(1 + e^x) long, so that they
// never cross (Gasthaus et al., "Probabilistic Forecasting with Spline Quantile Function RNNs", AISTATS 2019, do the
// same by increments).
#pragma once

#include <array>
#include <cstddef>

#include "absl/types/span.h"
#include "models/forecast/demand_features.h"
#include "models/lstm_cell.h"
#include "models/matrix.h"

namespace truce {

inline constexpr std::array<double, 7> kDemandQuantiles = {0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99};
inline constexpr size_t kDemandMedian = 2;
// The value at each horizon, then the largest value until each horizon but the first, which is the same.
inline constexpr size_t kDemandTargets = 2 * kDemandHorizons.size() - 1;
inline constexpr size_t kDemandOutputs = kDemandTargets * kDemandQuantiles.size();
// Outputs beyond are cut off: sinh of more is no demand that anybody could serve.
inline constexpr float kFarthestDemand = 20;

struct DemandWeights {
  Rows project;      // [projected, kDemandInputs]
  Row project_bias;  // [projected]
  LstmCellWeights cell;
  Rows head;      // [width, hidden + kDemandInputs]
  Row head_bias;  // [width]
  Rows out;       // [kDemandOutputs, width]
  Row out_bias;   // [kDemandOutputs]

  Eigen::Index hidden() const { return cell.hidden(); }
};

// Whether the matrices fit together and all their numbers are finite.
bool IsSound(const DemandWeights& weights);

// What one series carries from step to step, and what was last said of it. Quantile q of target t is
// outputs[t * kDemandQuantiles.size() + q], ascending within a target.
struct DemandState {
  Rows hidden;  // [1, hidden]
  Rows cell;    // [1, hidden]
  std::array<float, kDemandOutputs> outputs = {};
};

class DemandModel {
 public:
  // `weights` must be sound.
  explicit DemandModel(DemandWeights weights);

  DemandState NewState() const;
  // One step of one series. Any number of threads, each with states of its own.
  void Step(const DemandInput& input, DemandState* state) const;
  // One step of several series, as many inputs as states, none of them null: matrix times matrix, which costs a
  // fraction of as many single steps and says the same up to rounding.
  void Step(absl::Span<const DemandInput* const> inputs, absl::Span<DemandState* const> states) const;
  const DemandWeights& weights() const { return weights_; }

 private:
  DemandWeights weights_;
};

}  // namespace truce
