// One step of an LSTM (Hochreiter and Schmidhuber 1997) for many sequences at once, with the gates in libtorch's order:
// input, forget, cell, output. Pure.
#pragma once

#include "models/matrix.h"

namespace truce {

struct LstmCellWeights {
  Rows input_gates;   // [4 * hidden, inputs]
  Rows hidden_gates;  // [4 * hidden, hidden]
  Row gate_bias;      // [4 * hidden]

  Eigen::Index hidden() const { return hidden_gates.cols(); }
};

template <typename Derived>
auto Sigmoid(const Eigen::ArrayBase<Derived>& x) {
  return (1.0F + (-x).exp()).inverse();
}

// `inputs` is [N, inputs]; `hidden` and `cell` are [N, hidden], zeros for a new sequence, replaced by the next ones;
// `gates` is room for [N, 4 * hidden], kept by the caller so that a tick allocates nothing.
template <typename Hidden, typename Cell>
void StepLstm(const LstmCellWeights& weights, const Rows& inputs, Rows* gates, Hidden&& hidden, Cell&& cell) {
  const Eigen::Index width = weights.hidden();
  gates->noalias() = inputs * weights.input_gates.transpose();
  gates->noalias() += hidden * weights.hidden_gates.transpose();
  gates->rowwise() += weights.gate_bias;
  const auto gate = [&](Eigen::Index which) { return gates->middleCols(which * width, width).array(); };
  cell = (Sigmoid(gate(1)) * cell.array() + Sigmoid(gate(0)) * gate(2).tanh()).matrix();
  hidden = (Sigmoid(gate(3)) * cell.array().tanh()).matrix();
}

}  // namespace truce
