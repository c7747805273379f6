// The interference LSTM as libtorch trains it; models/interference/model.h says what it computes and runs the result.
// Included by few files only: torch's headers cost 20 s each.
#pragma once

#include <torch/torch.h>

#include <vector>

#include "models/features.h"
#include "models/interference/model.h"
#include "models/pair_context.h"

namespace truce {

struct NetworkShape {
  int64_t inputs = static_cast<int64_t>(kModelInputs);
  int64_t projected = 24;
  int64_t hidden = 32;
  int64_t pair = 24;
};

// What the pair head says of one pair.
struct PairOutput {
  // [pairs, kResourceCount], each >= 0: contributions to the slowdown.
  torch::Tensor by_resource;
  // [pairs]: contributions to the variance of log(1 + slowdown).
  torch::Tensor variance;
};

class InterferenceNetImpl : public torch::nn::Module {
 public:
  explicit InterferenceNetImpl(NetworkShape shape);

  // Whole sequences: `inputs` is [N, T, inputs], aligned at its end; `lengths` is [N], 1 to T; `state`, [N, state()],
  // is what InterferenceModel keeps of a workload (fingerprint, then memory) before the first step, zeros for a new
  // one; `noise`, [N, inputs] or undefined, is added in each step to what is there, in units of its deviation. Returns
  // the state after the last one.
  torch::Tensor Encode(const torch::Tensor& inputs, const torch::Tensor& lengths, const torch::Tensor& state,
                       const torch::Tensor& noise = {});
  int64_t fingerprint() const { return shape_.hidden + shape_.projected + 1; }
  int64_t state() const { return fingerprint() + shape_.hidden + 2; }
  // `victims` and `aggressors` are fingerprints [P, fingerprint()], `contexts` is [P, PairContext::kSize].
  PairOutput Pair(const torch::Tensor& victims, const torch::Tensor& aggressors, const torch::Tensor& contexts);
  // What to take from each feature and then to divide it by where it is there, [inputs / 2] each.
  void Standardise(const torch::Tensor& mean, const torch::Tensor& scale);
  // Variance of log(1 + slowdown) that no aggressor explains; a scalar.
  torch::Tensor BaseVariance() const;
  // Inputs (positions below kModelInputs) that never count, whatever they hold later.
  void Ignore(const std::vector<int64_t>& inputs);
  // Shares of a context (positions in PairContext) that never count but for the resources that they make possible.
  void IgnoreShares(const std::vector<int64_t>& shares);
  // The weights as the agent takes them: inputs need no standardising.
  InterferenceWeights Export() const;

 private:
  NetworkShape shape_;
  torch::Tensor mean_;
  torch::Tensor scale_;
  torch::Tensor used_;         // [inputs]: 0 for those to be ignored
  torch::Tensor used_shares_;  // [kPairInputs], likewise
  torch::nn::Linear project_{nullptr};
  torch::nn::LSTMCell cell_{nullptr};
  torch::nn::Linear victim_{nullptr};
  torch::nn::Linear aggressor_{nullptr};
  torch::nn::Linear context_{nullptr};
  torch::nn::Linear slowdown_{nullptr};
  torch::nn::Linear spread_{nullptr};
  torch::Tensor base_spread_;
};
TORCH_MODULE(InterferenceNet);

}  // namespace truce
