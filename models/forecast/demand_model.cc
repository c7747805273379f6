#include "models/forecast/demand_model.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace truce {
namespace {

// From what the last layer puts out to quantiles, row by row, in place.
void Spread(Rows* out) {
  constexpr auto kCount = static_cast<Eigen::Index>(kDemandQuantiles.size());
  constexpr auto kMedian = static_cast<Eigen::Index>(kDemandMedian);
  const Rows away = out->array().max(0.0F) + (-out->array().abs()).exp().log1p();
  for (Eigen::Index series = 0; series < out->rows(); ++series) {
    for (Eigen::Index target = 0; target < static_cast<Eigen::Index>(kDemandTargets); ++target) {
      float* const row = out->row(series).data() + target * kCount;
      const float* const by = away.row(series).data() + target * kCount;
      for (Eigen::Index q = kMedian; q-- > 0;) row[q] = row[q + 1] - by[q];
      for (Eigen::Index q = kMedian + 1; q < kCount; ++q) row[q] = row[q - 1] + by[q];
    }
  }
  *out = out->array().max(-kFarthestDemand).min(kFarthestDemand);
}

}  // namespace

bool IsSound(const DemandWeights& w) {
  const auto is = [](const auto& matrix, Eigen::Index rows, Eigen::Index columns) {
    return matrix.rows() == rows && matrix.cols() == columns && matrix.allFinite();
  };
  const auto inputs = static_cast<Eigen::Index>(kDemandInputs);
  const auto outputs = static_cast<Eigen::Index>(kDemandOutputs);
  const Eigen::Index projected = w.project.rows();
  const Eigen::Index hidden = w.hidden();
  const Eigen::Index width = w.head.rows();
  return projected > 0 && hidden > 0 && width > 0 && is(w.project, projected, inputs) &&
         is(w.project_bias, 1, projected) && is(w.cell.input_gates, 4 * hidden, projected) &&
         is(w.cell.hidden_gates, 4 * hidden, hidden) && is(w.cell.gate_bias, 1, 4 * hidden) &&
         is(w.head, width, hidden + inputs) && is(w.head_bias, 1, width) && is(w.out, outputs, width) &&
         is(w.out_bias, 1, outputs);
}

DemandModel::DemandModel(DemandWeights weights) : weights_(std::move(weights)) {}

DemandState DemandModel::NewState() const {
  return {.hidden = Rows::Zero(1, weights_.hidden()), .cell = Rows::Zero(1, weights_.hidden())};
}

void DemandModel::Step(const DemandInput& input, DemandState* state) const {
  const DemandInput* const inputs[] = {&input};
  Step(inputs, {&state, 1});
}

void DemandModel::Step(absl::Span<const DemandInput* const> inputs, absl::Span<DemandState* const> states) const {
  const auto count = static_cast<Eigen::Index>(states.size());
  const auto wide = static_cast<Eigen::Index>(kDemandInputs);
  const Eigen::Index width = weights_.hidden();
  // The hidden state and the inputs beside it: what the head sees.
  Rows seen(count, width + wide), hidden(count, width), cell(count, width);
  for (Eigen::Index i = 0; i < count; ++i) {
    const auto at = static_cast<size_t>(i);
    seen.row(i).tail(wide) = Eigen::Map<const Row>(inputs[at]->data(), wide);
    hidden.row(i) = states[at]->hidden.row(0);
    cell.row(i) = states[at]->cell.row(0);
  }
  Rows projected = (seen.rightCols(wide) * weights_.project.transpose()).rowwise() + weights_.project_bias;
  projected = projected.array().tanh();
  Rows gates;
  StepLstm(weights_.cell, projected, &gates, hidden, cell);
  seen.leftCols(width) = hidden;
  Rows inner = (seen * weights_.head.transpose()).rowwise() + weights_.head_bias;
  inner = inner.array().max(0.0F);
  Rows out = (inner * weights_.out.transpose()).rowwise() + weights_.out_bias;
  Spread(&out);
  for (Eigen::Index i = 0; i < count; ++i) {
    DemandState& state = *states[static_cast<size_t>(i)];
    state.hidden.row(0) = hidden.row(i);
    state.cell.row(0) = cell.row(i);
    std::copy_n(out.row(i).data(), kDemandOutputs, state.outputs.begin());
  }
}

}  // namespace truce
