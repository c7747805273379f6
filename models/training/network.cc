#include "models/training/network.h"

namespace truce {
namespace {

// Which of the context's shares each resource needs at all: no CPU in common, no waiting for a CPU. Order as in
// v1::Resource: cpu, llc, memory_bandwidth, memory, disk, network.
torch::Tensor Gates(const torch::Tensor& contexts) {
  const torch::Tensor cpus = contexts.select(1, 0);
  const torch::Tensor siblings = contexts.select(1, 2);
  const torch::Tensor llc = contexts.select(1, 3);
  const torch::Tensor node = contexts.select(1, 4);
  const torch::Tensor always = torch::ones_like(cpus);
  const torch::Tensor core = ((cpus + siblings) > 0).to(torch::kFloat);
  return torch::stack({core, (llc > 0).to(torch::kFloat), (node > 0).to(torch::kFloat), always, always, always}, 1);
}

Rows ToRows(const torch::Tensor& tensor) {
  const torch::Tensor plain = tensor.detach().contiguous();
  const int64_t columns = plain.dim() == 2 ? plain.size(1) : plain.size(0);
  return Eigen::Map<const Rows>(plain.data_ptr<float>(), plain.dim() == 2 ? plain.size(0) : 1, columns);
}

}  // namespace

InterferenceNetImpl::InterferenceNetImpl(NetworkShape shape) : shape_(shape) {
  project_ = register_module("project", torch::nn::Linear(shape.inputs, shape.projected));
  cell_ = register_module("cell", torch::nn::LSTMCell(shape.projected, shape.hidden));
  victim_ = register_module("victim", torch::nn::Linear(shape.hidden, shape.pair));
  aggressor_ =
      register_module("aggressor", torch::nn::Linear(torch::nn::LinearOptions(shape.hidden, shape.pair).bias(false)));
  context_ = register_module(
      "context",
      torch::nn::Linear(torch::nn::LinearOptions(static_cast<int64_t>(PairContext::kSize), shape.pair).bias(false)));
  slowdown_ = register_module("slowdown", torch::nn::Linear(shape.pair, static_cast<int64_t>(kResourceCount)));
  spread_ = register_module("spread", torch::nn::Linear(shape.pair, 1));
  base_spread_ = register_parameter("base_spread", torch::full({1}, -3.0));
  // Begin near "nobody hurts anybody", where most pairs are.
  torch::NoGradGuard no_gradient;
  slowdown_->bias.fill_(-3);
  spread_->bias.fill_(-2);
}

torch::Tensor InterferenceNetImpl::Encode(const torch::Tensor& inputs, const torch::Tensor& lengths,
                                          const torch::Tensor& state) {
  const int64_t steps = inputs.size(1);
  const torch::Tensor projected = torch::tanh(project_->forward(inputs));
  const std::vector<torch::Tensor> halves = state.split(shape_.hidden, 1);
  torch::Tensor hidden = halves[0];
  torch::Tensor cell = halves[1];
  for (int64_t step = 0; step < steps; ++step) {
    const auto [next_hidden, next_cell] = cell_->forward(projected.select(1, step), std::make_tuple(hidden, cell));
    // A sequence that is shorter begins later.
    const torch::Tensor begun = (lengths >= steps - step).to(torch::kFloat).unsqueeze(1);
    hidden = begun * next_hidden + (1 - begun) * hidden;
    cell = begun * next_cell + (1 - begun) * cell;
  }
  return torch::cat({hidden, cell}, 1);
}

PairOutput InterferenceNetImpl::Pair(const torch::Tensor& victims, const torch::Tensor& aggressors,
                                     const torch::Tensor& contexts) {
  const torch::Tensor pair =
      torch::relu(victim_->forward(victims) + aggressor_->forward(aggressors) + context_->forward(contexts));
  PairOutput output;
  output.by_resource = torch::softplus(slowdown_->forward(pair)) * Gates(contexts);
  output.variance = torch::softplus(spread_->forward(pair)).squeeze(1).square();
  return output;
}

torch::Tensor InterferenceNetImpl::BaseVariance() const {
  return torch::softplus(base_spread_).square().squeeze();
}

void InterferenceNetImpl::Ignore(const std::vector<int64_t>& inputs) {
  // They stay zero: an input that is always zero has no gradient, and decay leaves a zero where it is.
  torch::NoGradGuard no_gradient;
  for (const int64_t input : inputs) project_->weight.select(1, input).zero_();
}

InterferenceWeights InterferenceNetImpl::Export() const {
  InterferenceWeights weights;
  weights.project = ToRows(project_->weight);
  weights.project_bias = ToRows(project_->bias);
  weights.input_gates = ToRows(cell_->weight_ih);
  weights.hidden_gates = ToRows(cell_->weight_hh);
  weights.gate_bias = ToRows(cell_->bias_ih + cell_->bias_hh);
  weights.victim = ToRows(victim_->weight);
  weights.aggressor = ToRows(aggressor_->weight);
  weights.context = ToRows(context_->weight);
  weights.pair_bias = ToRows(victim_->bias);
  weights.slowdown = ToRows(slowdown_->weight);
  weights.slowdown_bias = ToRows(slowdown_->bias);
  weights.spread = ToRows(spread_->weight);
  weights.spread_bias = ToRows(spread_->bias);
  weights.base_spread = ToRows(base_spread_);
  return weights;
}

}  // namespace truce
