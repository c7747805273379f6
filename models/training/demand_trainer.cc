#include "models/training/demand_trainer.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include "models/training/demand_pieces.h"
#include "models/training/one_thread.h"
#include "src/base/text.h"

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
// The learning rate ends at this part of its start (Loshchilov and Hutter, "SGDR", ICLR 2017: along a half cosine).
constexpr double kLastRate = 0.02;

// From `inputs` features, of which the last are a leader's push and start without any weight: a network that meets no
// leader is the one that it would be without those inputs.
torch::nn::Linear LinearWithPush(int64_t inputs, int64_t outputs) {
  torch::nn::Linear linear(inputs - kPushInputs, outputs);
  const torch::NoGradGuard no_grad;
  linear->weight.set_data(torch::cat({linear->weight, torch::zeros({outputs, kPushInputs})}, 1));
  linear->options.in_features(inputs);
  return linear;
}

class NetworkImpl : public torch::nn::Module {
 public:
  explicit NetworkImpl(const DemandTrainingOptions& options)
      : project(register_module("project", LinearWithPush(kInputs, options.projected))),
        lstm(register_module(
            "lstm", torch::nn::LSTM(torch::nn::LSTMOptions(options.projected, options.hidden).batch_first(true)))),
        head(register_module("head", LinearWithPush(options.hidden + kInputs, options.width))),
        out(register_module("out", torch::nn::Linear(options.width, kTargets * kQuantiles))) {}

  // `inputs` is [pieces, length, kDemandInputs]; ascending quantiles, [pieces, length, targets, quantiles].
  torch::Tensor forward(const torch::Tensor& inputs) {
    const torch::Tensor hidden = std::get<0>(lstm->forward(torch::tanh(project->forward(inputs))));
    const torch::Tensor inner = torch::relu(head->forward(torch::cat({hidden, inputs}, -1)));
    const torch::Tensor raw = out->forward(inner).view({inputs.size(0), inputs.size(1), kTargets, kQuantiles});
    const torch::Tensor median = raw.narrow(-1, kMedian, 1);
    const torch::Tensor below = torch::softplus(raw.narrow(-1, 0, kMedian)).flip({-1}).cumsum(-1).flip({-1});
    const torch::Tensor above = torch::softplus(raw.narrow(-1, kMedian + 1, kQuantiles - kMedian - 1)).cumsum(-1);
    return torch::cat({median - below, median, median + above}, -1);
  }

  torch::nn::Linear project;
  torch::nn::LSTM lstm;
  torch::nn::Linear head;
  torch::nn::Linear out;
};
TORCH_MODULE(Network);

template <typename Matrix>
Matrix Take(const torch::Tensor& tensor) {
  const torch::Tensor plain = tensor.detach().contiguous();
  const int64_t columns = plain.size(-1);
  return Eigen::Map<const Rows>(plain.data_ptr<float>(), plain.numel() / columns, columns);
}

DemandWeights Export(const Network& network) {
  const auto weights = network->lstm->all_weights();  // input gates, hidden gates, and the bias of each
  return {.project = Take<Rows>(network->project->weight),
          .project_bias = Take<Row>(network->project->bias),
          .cell = {.input_gates = Take<Rows>(weights[0]),
                   .hidden_gates = Take<Rows>(weights[1]),
                   .gate_bias = Take<Row>(weights[2] + weights[3])},
          .head = Take<Rows>(network->head->weight),
          .head_bias = Take<Row>(network->head->bias),
          .out = Take<Rows>(network->out->weight),
          .out_bias = Take<Row>(network->out->bias)};
}

void Put(const Eigen::Ref<const Rows>& matrix, const torch::Tensor& tensor) {
  Rows plain = matrix;
  tensor.copy_(torch::from_blob(plain.data(), {plain.rows(), plain.cols()}).view_as(tensor));
}

// What Export takes out of it.
void Import(const DemandWeights& weights, Network& network) {
  torch::NoGradGuard no_gradient;
  const auto lstm = network->lstm->all_weights();
  Put(weights.project, network->project->weight);
  Put(weights.project_bias, network->project->bias);
  Put(weights.cell.input_gates, lstm[0]);
  Put(weights.cell.hidden_gates, lstm[1]);
  Put(weights.cell.gate_bias, lstm[2]);
  lstm[3].zero_();
  Put(weights.head, network->head->weight);
  Put(weights.head_bias, network->head->bias);
  Put(weights.out, network->out->weight);
  Put(weights.out_bias, network->out->bias);
}

Network NewNetwork(DemandTrainingOptions options, const DemandModel* from) {
  if (from != nullptr) {
    options.projected = static_cast<int>(from->weights().project.rows());
    options.hidden = static_cast<int>(from->weights().hidden());
    options.width = static_cast<int>(from->weights().head.rows());
  }
  Network network(options);
  if (from != nullptr) Import(from->weights(), network);
  return network;
}

// The loss whose least is the quantile (Koenker and Bassett 1978), of every target and quantile.
torch::Tensor Pinball(const torch::Tensor& came, const torch::Tensor& said, const torch::Tensor& levels) {
  const torch::Tensor miss = came.unsqueeze(-1) - said;
  return torch::maximum(levels * miss, (levels - 1) * miss);
}

struct Data {
  torch::Tensor inputs;
  torch::Tensor targets;
  torch::Tensor known;
};

// Views of what the pieces hold.
Data ToTensors(DemandPieces& pieces) {
  const auto count = static_cast<int64_t>(pieces.count());
  const auto length = static_cast<int64_t>(pieces.length);
  return {torch::from_blob(pieces.inputs.data(), {count, length, kInputs}),
          torch::from_blob(pieces.targets.data(), {count, length, kTargets}),
          torch::from_blob(pieces.known.data(), {count, length, kTargets})};
}

torch::Tensor Loss(Network& network, const Data& data, const torch::Tensor& chosen, const torch::Tensor& levels,
                   double spike_weight) {
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
  return (loss * known).sum() / known.sum().clamp_min(1);
}

double RateAt(const DemandTrainingOptions& options, double part) {
  return options.learning_rate * (kLastRate + (1 - kLastRate) * 0.5 * (1 + std::cos(M_PI * part)));
}

}  // namespace

absl::StatusOr<DemandModel> TrainDemand(absl::Span<const DemandSeries> series, const DemandTrainingOptions& options,
                                        const std::function<bool(const DemandEpoch&)>& report,
                                        const DemandModel* from) {
  DemandPieces pieces = CutIntoPieces(series, options);
  size_t known = 0;
  for (const auto& one : pieces.known) known += one[0] > 0 ? 1 : 0;
  if (known < kLeastDemandValues) {
    return absl::InvalidArgumentError(StrCat("the series have ", known, " values to learn from, and the LSTM needs ",
                                             kLeastDemandValues, ": give it more or longer ones"));
  }
  UseOneThread();
  torch::manual_seed(options.seed);
  Network network = NewNetwork(options, from);
  const auto adamw = torch::optim::AdamWOptions(options.learning_rate).weight_decay(options.weight_decay);
  torch::optim::AdamW optimizer(network->parameters(), adamw);
  const std::vector<float> of_quantiles(kDemandQuantiles.begin(), kDemandQuantiles.end());
  const torch::Tensor levels = torch::tensor(of_quantiles);
  const Data data = ToTensors(pieces);
  std::vector<int64_t> order(pieces.count());
  std::iota(order.begin(), order.end(), int64_t{0});
  std::mt19937_64 random(options.seed);
  const size_t batch = std::min(static_cast<size_t>(options.batch), order.size());
  const size_t batches = order.size() / batch;
  for (int epoch = 1; epoch <= options.epochs; ++epoch) {
    std::shuffle(order.begin(), order.end(), random);
    double sum = 0;
    for (size_t i = 0; i < batches; ++i) {
      const double part = (static_cast<double>(epoch - 1) + static_cast<double>(i) / static_cast<double>(batches)) /
                          static_cast<double>(options.epochs);
      static_cast<torch::optim::AdamWOptions&>(optimizer.param_groups()[0].options()).lr(RateAt(options, part));
      const torch::Tensor chosen =
          torch::from_blob(order.data() + i * batch, {static_cast<int64_t>(batch)}, torch::kLong);
      const torch::Tensor loss = Loss(network, data, chosen, levels, options.spike_weight);
      optimizer.zero_grad();
      loss.backward();
      torch::nn::utils::clip_grad_norm_(network->parameters(), 1.0);
      optimizer.step();
      sum += loss.item<double>();
    }
    if (!report({epoch, options.epochs, sum / static_cast<double>(batches) / static_cast<double>(kQuantiles)})) break;
  }
  DemandWeights weights = Export(network);
  if (!IsSound(weights)) return absl::InternalError("training the demand LSTM ended with numbers that are none");
  return DemandModel(std::move(weights));
}

}  // namespace truce
