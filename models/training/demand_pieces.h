// Series cut into pieces that the demand LSTM learns from.
#pragma once

#include <cstdint>
#include <vector>

#include "models/training/demand_trainer.h"

namespace truce {

// Pieces of one length, one after the other.
struct DemandPieces {
  size_t length = 0;
  std::vector<DemandInput> inputs;
  // What came, in asinh units about the newest value; 0 where it is not known.
  std::vector<std::array<float, kDemandTargets>> targets;
  // 1 where it is known.
  std::vector<std::array<float, kDemandTargets>> known;

  size_t count() const { return length == 0 ? 0 : inputs.size() / length; }
};

// All of them, or as many as options.most_values allows, drawn by options.seed. What is left at the end of a series and
// fills no piece is the start of one whose rest is not known.
DemandPieces CutIntoPieces(absl::Span<const DemandSeries> series, const DemandTrainingOptions& options);

}  // namespace truce
