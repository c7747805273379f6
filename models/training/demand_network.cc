#include "models/training/demand_network.h"

#include <vector>

namespace truce {
namespace {

constexpr int64_t kQuantiles = static_cast<int64_t>(kDemandQuantiles.size());
constexpr int64_t kTargets = static_cast<int64_t>(kDemandTargets);
constexpr int64_t kInputs = static_cast<int64_t>(kDemandInputs);
constexpr int64_t kPushInputs = static_cast<int64_t>(kDemandPushInputs);
constexpr int64_t kMedian = static_cast<int64_t>(kDemandMedian);
// sinh of more is not learned from: one spike must not outweigh a day. Nor is a loss of more than so many units.
constexpr double kFarthestLearned = 9;
constexpr double kLargestLoss = 50;
// From `inputs` features, of which the last are a leader's push and start without any weight: a network that meets no
// leader is the one that it would be without those inputs.
torch::nn::Linear LinearWithPush(int64_t inputs, int64_t outputs) {
  torch::nn::Linear linear(inputs - kPushInputs, outputs);
  const torch::NoGradGuard no_grad;
  linear->weight.set_data(torch::cat({linear->weight, torch::zeros({outputs, kPushInputs})}, 1));
  linear->options.in_features(inputs);
  return linear;
}

template <typename Matrix>
Matrix Take(const torch::Tensor& tensor) {
  const torch::Tensor plain = tensor.detach().contiguous();
  const int64_t columns = plain.size(-1);
  return Eigen::Map<const Rows>(plain.data_ptr<float>(), plain.numel() / columns, columns);
}

void Put(const Eigen::Ref<const Rows>& matrix, const torch::Tensor& tensor) {
  Rows plain = matrix;
  tensor.copy_(torch::from_blob(plain.data(), {plain.rows(), plain.cols()}).view_as(tensor));
}

// The loss whose least is the quantile (Koenker and Bassett 1978), of every target and quantile.
torch::Tensor Pinball(const torch::Tensor& came, const torch::Tensor& said, const torch::Tensor& levels) {
  const torch::Tensor miss = came.unsqueeze(-1) - said;
  return torch::maximum(levels * miss, (levels - 1) * miss);
}

}  // namespace

DemandNetworkImpl::DemandNetworkImpl(const DemandTrainingOptions& options)
    : project_(register_module("project", LinearWithPush(kInputs, options.projected))),
      lstm_(register_module(
          "lstm", torch::nn::LSTM(torch::nn::LSTMOptions(options.projected, options.hidden).batch_first(true)))),
      head_(register_module("head", LinearWithPush(options.hidden + kInputs, options.width))),
      out_(register_module("out", torch::nn::Linear(options.width, kTargets * kQuantiles))) {}

torch::Tensor DemandNetworkImpl::forward(const torch::Tensor& inputs) {
  const torch::Tensor hidden = std::get<0>(lstm_->forward(torch::tanh(project_->forward(inputs))));
  const torch::Tensor inner = torch::relu(head_->forward(torch::cat({hidden, inputs}, -1)));
  const torch::Tensor raw = out_->forward(inner).view({inputs.size(0), inputs.size(1), kTargets, kQuantiles});
  const torch::Tensor median = raw.narrow(-1, kMedian, 1);
  const torch::Tensor below = torch::softplus(raw.narrow(-1, 0, kMedian)).flip({-1}).cumsum(-1).flip({-1});
  const torch::Tensor above = torch::softplus(raw.narrow(-1, kMedian + 1, kQuantiles - kMedian - 1)).cumsum(-1);
  return torch::cat({median - below, median, median + above}, -1);
}

DemandWeights DemandNetworkImpl::Export() const {
  const auto weights = lstm_->all_weights();  // input gates, hidden gates, and the bias of each
  return {.project = Take<Rows>(project_->weight),
          .project_bias = Take<Row>(project_->bias),
          .cell = {.input_gates = Take<Rows>(weights[0]),
                   .hidden_gates = Take<Rows>(weights[1]),
                   .gate_bias = Take<Row>(weights[2] + weights[3])},
          .head = Take<Rows>(head_->weight),
          .head_bias = Take<Row>(head_->bias),
          .out = Take<Rows>(out_->weight),
          .out_bias = Take<Row>(out_->bias)};
}

void DemandNetworkImpl::Import(const DemandWeights& weights) {
  torch::NoGradGuard no_gradient;
  const auto lstm = lstm_->all_weights();
  Put(weights.project, project_->weight);
  Put(weights.project_bias, project_->bias);
  Put(weights.cell.input_gates, lstm[0]);
  Put(weights.cell.hidden_gates, lstm[1]);
  Put(weights.cell.gate_bias, lstm[2]);
  lstm[3].zero_();
  Put(weights.head, head_->weight);
  Put(weights.head_bias, head_->bias);
  Put(weights.out, out_->weight);
  Put(weights.out_bias, out_->bias);
}

DemandNetwork NewDemandNetwork(DemandTrainingOptions options, const DemandModel* from) {
  if (from != nullptr) {
    options.projected = static_cast<int>(from->weights().project.rows());
    options.hidden = static_cast<int>(from->weights().hidden());
    options.width = static_cast<int>(from->weights().head.rows());
  }
  DemandNetwork network(options);
  if (from != nullptr) network->Import(from->weights());
  return network;
}

DemandTensors ViewOf(DemandPieces& pieces) {
  const auto count = static_cast<int64_t>(pieces.count());
  const auto length = static_cast<int64_t>(pieces.length);
  return {torch::from_blob(pieces.inputs.data(), {count, length, kInputs}),
          torch::from_blob(pieces.targets.data(), {count, length, kTargets}),
          torch::from_blob(pieces.known.data(), {count, length, kTargets})};
}

torch::Tensor LossOf(DemandNetwork& network, const DemandTensors& data, absl::Span<const int64_t> rows,
                     double spike_weight) {
  const std::vector<float> of_quantiles(kDemandQuantiles.begin(), kDemandQuantiles.end());
  const torch::Tensor levels = torch::tensor(of_quantiles);
  const torch::Tensor chosen = torch::tensor(at::IntArrayRef(rows.data(), rows.size()), torch::kLong);
  const torch::Tensor came = data.targets.index_select(0, chosen);
  const torch::Tensor known = data.known.index_select(0, chosen).unsqueeze(-1);
  const torch::Tensor said = network->forward(data.inputs.index_select(0, chosen));
  torch::Tensor loss = Pinball(came, said, levels);
  if (spike_weight > 0) {
    const auto plain = [](const torch::Tensor& asinh) {
      return torch::sinh(asinh.clamp(-kFarthestLearned, kFarthestLearned));
    };
    loss = loss + spike_weight * Pinball(plain(came), plain(said), levels).clamp_max(kLargestLoss);
  }
  return (loss * known).sum();
}

}  // namespace truce
