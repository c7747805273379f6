// The demand LSTM as libtorch trains it; models/forecast/demand_model.h says what it computes and runs the result.
// Included by few files only: torch's headers cost 20 s each.
#pragma once

#include <torch/torch.h>

#include <cstdint>

#include "absl/types/span.h"
#include "models/forecast/demand_model.h"
#include "models/training/demand_pieces.h"
#include "models/training/demand_trainer.h"

namespace truce {

class DemandNetworkImpl : public torch::nn::Module {
 public:
  // Its sizes are in `options`.
  explicit DemandNetworkImpl(const DemandTrainingOptions& options);

  // `inputs` is [pieces, length, kDemandInputs]; ascending quantiles, [pieces, length, targets, quantiles].
  torch::Tensor forward(const torch::Tensor& inputs);
  DemandWeights Export() const;
  // What Export takes out of it; of the same sizes.
  void Import(const DemandWeights& weights);

 private:
  torch::nn::Linear project_;
  torch::nn::LSTM lstm_;
  torch::nn::Linear head_;
  torch::nn::Linear out_;
};
TORCH_MODULE(DemandNetwork);

// With the weights of `from`, whose sizes then count, or, without it, with those that torch's generator draws.
DemandNetwork NewDemandNetwork(DemandTrainingOptions options, const DemandModel* from);

// Pieces as tensors.
struct DemandTensors {
  torch::Tensor inputs;   // [pieces, length, kDemandInputs]
  torch::Tensor targets;  // [pieces, length, kDemandTargets]
  torch::Tensor known;    // [pieces, length, kDemandTargets]
};
// Views of what this process's pieces hold; those outlive them.
DemandTensors ViewOf(DemandPieces& pieces);

// The sum of the quantile losses over all targets that are known of these pieces; a scalar.
torch::Tensor LossOf(DemandNetwork& network, const DemandTensors& data, absl::Span<const int64_t> rows,
                     double spike_weight);

}  // namespace truce
