// Examples as tensors, some of them changed at random so that a model learns to do with less. Torch's headers cost 20 s
// a file: included by few.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <random>
#include <vector>

#include "models/interference/example.h"
#include "models/training/trainer.h"

namespace truce {

// A batch as tensors: sequences of all workloads in one block, and who belongs to which example.
struct Batch {
  torch::Tensor inputs;      // [N, T, kModelInputs]
  torch::Tensor lengths;     // [N]
  torch::Tensor stale;       // [N]: 1 for a sequence that begins with another workload's state
  torch::Tensor noise;       // [N, kModelInputs]: added to standardised inputs that are there; may be undefined
  torch::Tensor keep;        // [N, fingerprint]: what fingerprints are multiplied by; may be undefined
  torch::Tensor victims;     // [P]: row of the pair's victim
  torch::Tensor aggressors;  // [P]
  torch::Tensor contexts;    // [P, PairContext::kSize]
  torch::Tensor examples;    // [P]: the pair's example
  torch::Tensor targets;     // [B]
  torch::Tensor errors;      // [B]
  torch::Tensor resources;   // [B, kResourceCount]: shares, or zeros
};

class BatchMaker {
 public:
  // All outlive it. Without `random`, examples are taken as they are.
  BatchMaker(const ExampleList& examples, const TrainingOptions& options, std::mt19937_64* random)
      : examples_(examples), options_(options), random_(random) {}

  // Those of the examples at these positions.
  Batch Make(const std::vector<size_t>& chosen);

 private:
  struct Line {
    const InputSequence* sequence;
    size_t length;
    unsigned hidden;
    bool stale;
  };

  bool Draw(double ratio);
  // Groups of features to be hidden, one bit each. A host lacks a source for all of its workloads, so victim and
  // aggressors lose the same groups.
  unsigned DrawHidden();
  int64_t AddRow(const InputSequence& sequence, unsigned hidden);
  void FillRows(Batch* batch) const;
  void Disturb(Batch* batch);

  const ExampleList& examples_;
  const TrainingOptions& options_;
  std::mt19937_64* const random_;
  std::vector<Line> lines_;
};

}  // namespace truce
