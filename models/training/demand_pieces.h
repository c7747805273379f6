// Series cut into pieces that the demand LSTM learns from.
#pragma once

#include <cstdint>
#include <vector>

#include "models/training/demand_trainer.h"

namespace truce {

// Pieces of one length. `inputs`, `targets` and `known` are those of this process, one after the other; `rows` and what
// comes behind are of all processes, and the same in each.
struct DemandPieces {
  size_t length = 0;
  std::vector<DemandInput> inputs;
  // What came, in asinh units about the newest value; 0 where it is not known.
  std::vector<std::array<float, kDemandTargets>> targets;
  // 1 where it is known.
  std::vector<std::array<float, kDemandTargets>> known;

  // Of each piece, in the order of the series: which of this process's it is, or kElsewhere.
  static constexpr int64_t kElsewhere = -1;
  std::vector<int64_t> rows;
  // How many targets are known of it.
  std::vector<double> known_targets;
  // Which of them are learned from, and which are not.
  std::vector<int64_t> learned;
  std::vector<int64_t> held_out;
  // Values that are learned from, and whose next is known.
  double learned_values = 0;

  size_t count() const { return length == 0 ? 0 : inputs.size() / length; }
};

// All of them, or as many as options.most_values allows, drawn by options.seed. What is left at the end of a series and
// fills no piece is the start of one whose rest is not known. InvalidArgument when several processes have values of one
// series, or when those of one host are in several shares; whatever Sum has.
absl::StatusOr<DemandPieces> CutIntoPieces(absl::Span<const DemandSeries> series, const DemandTrainingOptions& options,
                                           GradientExchange& exchange);

}  // namespace truce
