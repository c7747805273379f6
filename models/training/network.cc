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

// CpuDemand of [N, T, inputs], and whether there is one: [N, T] each.
std::pair<torch::Tensor, torch::Tensor> Demand(const torch::Tensor& inputs) {
  const auto column = [&inputs](size_t feature) { return inputs.select(2, static_cast<int64_t>(feature)); };
  const size_t used = FeatureNamed("cpu_of_allowed");
  return {(column(used) + column(FeatureNamed("psi_cpu_some"))).clamp(0, 1),
          (column(kFeatureCount + used) > 0).to(torch::kFloat)};
}

// A mean that fades, [N, any], after one more value of those whose `counts`, [N, 1], is 1.
void Fade(const torch::Tensor& value, const torch::Tensor& counts, torch::Tensor* samples, torch::Tensor* mean) {
  *samples = (*samples + counts).clamp_max(1 / kMeanWeight);
  *mean = *mean + counts * (value - *mean) / samples->clamp_min(1);
}

Rows ToRows(const torch::Tensor& tensor) {
  const torch::Tensor plain = tensor.detach().contiguous();
  const int64_t columns = plain.dim() == 2 ? plain.size(1) : plain.size(0);
  return Eigen::Map<const Rows>(plain.data_ptr<float>(), plain.dim() == 2 ? plain.size(0) : 1, columns);
}

}  // namespace

InterferenceNetImpl::InterferenceNetImpl(NetworkShape shape) : shape_(shape) {
  mean_ = register_buffer("mean", torch::zeros({shape.inputs}));
  scale_ = register_buffer("scale", torch::ones({shape.inputs}));
  used_ = register_buffer("used", torch::ones({shape.inputs}));
  used_shares_ = register_buffer("used_shares", torch::ones({static_cast<int64_t>(kPairInputs)}));
  project_ = register_module("project", torch::nn::Linear(shape.inputs, shape.projected));
  cell_ = register_module("cell", torch::nn::LSTMCell(shape.projected, shape.hidden));
  victim_ = register_module("victim", torch::nn::Linear(fingerprint(), 2 * shape.pair));
  aggressor_ = register_module("aggressor",
                               torch::nn::Linear(torch::nn::LinearOptions(fingerprint(), 2 * shape.pair).bias(false)));
  context_ = register_module(
      "context",
      torch::nn::Linear(torch::nn::LinearOptions(static_cast<int64_t>(kPairInputs), 2 * shape.pair).bias(false)));
  slowdown_ = register_module("slowdown", torch::nn::Linear(shape.pair, static_cast<int64_t>(kResourceCount)));
  spread_ = register_module("spread", torch::nn::Linear(shape.pair, 1));
  base_spread_ = register_parameter("base_spread", torch::full({1}, -3.0));
  // Begin near "nobody hurts anybody", where most pairs are.
  torch::NoGradGuard no_gradient;
  slowdown_->bias.fill_(-3);
  spread_->bias.fill_(-2);
}

torch::Tensor InterferenceNetImpl::Encode(const torch::Tensor& inputs, const torch::Tensor& lengths,
                                          const torch::Tensor& state, const torch::Tensor& noise) {
  const int64_t steps = inputs.size(1);
  // Values and then "is there", one each: what is missing stays zero.
  const torch::Tensor there = inputs.narrow(2, shape_.inputs / 2, shape_.inputs / 2).repeat({1, 1, 2});
  torch::Tensor standard = (inputs - mean_ * there) / scale_;
  if (noise.defined()) standard = standard + noise.unsqueeze(1) * there;
  const torch::Tensor projected = torch::tanh(project_->forward(standard * used_));
  const auto [demands, has_demand] = Demand(inputs);
  const std::vector<torch::Tensor> parts =
      state.split_with_sizes({shape_.hidden, shape_.projected, 1, shape_.hidden, 1, 1}, 1);
  torch::Tensor hidden = parts[0];
  torch::Tensor mean = parts[1];
  torch::Tensor demand = parts[2];
  torch::Tensor cell = parts[3];
  torch::Tensor samples = parts[4];
  torch::Tensor demand_samples = parts[5];
  for (int64_t step = 0; step < steps; ++step) {
    const torch::Tensor input = projected.select(1, step);
    const auto [next_hidden, next_cell] = cell_->forward(input, std::make_tuple(hidden, cell));
    // A sequence that is shorter begins later.
    const torch::Tensor begun = (lengths >= steps - step).to(torch::kFloat).unsqueeze(1);
    hidden = begun * next_hidden + (1 - begun) * hidden;
    cell = begun * next_cell + (1 - begun) * cell;
    Fade(input, begun, &samples, &mean);
    Fade(demands.narrow(1, step, 1), begun * has_demand.narrow(1, step, 1), &demand_samples, &demand);
  }
  return torch::cat({hidden, mean, demand, cell, samples, demand_samples}, 1);
}

PairOutput InterferenceNetImpl::Pair(const torch::Tensor& victims, const torch::Tensor& aggressors,
                                     const torch::Tensor& contexts) {
  const std::vector<torch::Tensor> victim = victim_->forward(victims).split(shape_.pair, 1);
  const torch::Tensor taken = contexts.narrow(1, 0, 2) * aggressors.narrow(1, fingerprint() - 1, 1);
  const torch::Tensor shared = context_->forward(torch::cat({contexts, taken}, 1) * used_shares_);
  const std::vector<torch::Tensor> aggressor = (aggressor_->forward(aggressors) + shared).split(shape_.pair, 1);
  const torch::Tensor pair = torch::relu(victim[0] + aggressor[0] + victim[1] * aggressor[1]);
  PairOutput output;
  output.by_resource = torch::softplus(slowdown_->forward(pair).clamp_max(kSteepest)) * Gates(contexts);
  output.variance = torch::softplus(spread_->forward(pair).clamp_max(kSteepest)).squeeze(1).square();
  return output;
}

void InterferenceNetImpl::Standardise(const torch::Tensor& mean, const torch::Tensor& scale) {
  mean_.narrow(0, 0, shape_.inputs / 2).copy_(mean);
  scale_.narrow(0, 0, shape_.inputs / 2).copy_(scale);
}

torch::Tensor InterferenceNetImpl::BaseVariance() const {
  return torch::softplus(base_spread_).square().squeeze();
}

void InterferenceNetImpl::Ignore(const std::vector<int64_t>& inputs) {
  for (const int64_t input : inputs) used_[input] = 0;
}

void InterferenceNetImpl::IgnoreShares(const std::vector<int64_t>& shares) {
  for (const int64_t share : shares) used_shares_[share] = 0;
}

InterferenceWeights InterferenceNetImpl::Export() const {
  InterferenceWeights weights;
  // w ((x - mean * there) / scale) is linear in x and in there, and both are inputs.
  const int64_t values = shape_.inputs / 2;
  torch::Tensor project = (project_->weight * used_ / scale_).detach().clone();
  project.narrow(1, values, values) -= project.narrow(1, 0, values) * mean_.narrow(0, 0, values);
  weights.project = ToRows(project);
  weights.project_bias = ToRows(project_->bias);
  weights.cell.input_gates = ToRows(cell_->weight_ih);
  weights.cell.hidden_gates = ToRows(cell_->weight_hh);
  weights.cell.gate_bias = ToRows(cell_->bias_ih + cell_->bias_hh);
  weights.victim = ToRows(victim_->weight);
  weights.aggressor = ToRows(aggressor_->weight);
  weights.context = ToRows(context_->weight * used_shares_);
  weights.pair_bias = ToRows(victim_->bias);
  weights.slowdown = ToRows(slowdown_->weight);
  weights.slowdown_bias = ToRows(slowdown_->bias);
  weights.spread = ToRows(spread_->weight);
  weights.spread_bias = ToRows(spread_->bias);
  weights.base_spread = ToRows(base_spread_);
  return weights;
}

}  // namespace truce
