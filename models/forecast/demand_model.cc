#include "models/forecast/demand_model.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace truce {
namespace {

float StepAway(float raw) {
  return std::max(raw, 0.0F) + std::log1p(std::exp(-std::abs(raw)));
}

// From what the last layer puts out to quantiles, in place.
void Spread(std::array<float, kDemandOutputs>* outputs) {
  constexpr size_t kCount = kDemandQuantiles.size();
  for (size_t target = 0; target < kDemandTargets; ++target) {
    float* const row = outputs->data() + target * kCount;
    for (size_t q = kDemandMedian; q-- > 0;) row[q] = row[q + 1] - StepAway(row[q]);
    for (size_t q = kDemandMedian + 1; q < kCount; ++q) row[q] = row[q - 1] + StepAway(row[q]);
    for (size_t q = 0; q < kCount; ++q) row[q] = std::clamp(row[q], -kFarthestDemand, kFarthestDemand);
  }
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
  const auto inputs = static_cast<Eigen::Index>(kDemandInputs);
  const Eigen::Map<const Row> given(input.data(), inputs);
  Rows projected = given * weights_.project.transpose() + weights_.project_bias;
  projected = projected.array().tanh();
  Rows gates;
  StepLstm(weights_.cell, projected, &gates, state->hidden, state->cell);
  Row seen(weights_.hidden() + inputs);
  seen << state->hidden.row(0), given;
  Row inner = seen * weights_.head.transpose() + weights_.head_bias;
  inner = inner.array().max(0.0F);
  Eigen::Map<Row> out(state->outputs.data(), static_cast<Eigen::Index>(kDemandOutputs));
  out.noalias() = inner * weights_.out.transpose();
  out += weights_.out_bias;
  Spread(&state->outputs);
}

}  // namespace truce
