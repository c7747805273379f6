// A demand model that knows nothing: what must hold of any model must hold of it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "models/forecast/demand_model.h"

namespace truce {

// Small random numbers.
inline DemandModel AnyDemandModel(uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> draw(0, 0.3F);
  const auto rows = [&](Eigen::Index r, Eigen::Index c) {
    return Rows(Rows::NullaryExpr(r, c, [&] { return draw(random); }));
  };
  const auto inputs = static_cast<Eigen::Index>(kDemandInputs);
  const auto outputs = static_cast<Eigen::Index>(kDemandOutputs);
  DemandWeights weights{.project = rows(4, inputs),
                        .project_bias = rows(1, 4),
                        .cell = {.input_gates = rows(12, 4), .hidden_gates = rows(12, 3), .gate_bias = rows(1, 12)},
                        .head = rows(5, 3 + inputs),
                        .head_bias = rows(1, 5),
                        .out = rows(outputs, 5),
                        .out_bias = rows(1, outputs)};
  EXPECT_TRUE(IsSound(weights));
  return DemandModel(std::move(weights));
}

}  // namespace truce
