// truce-lab train forecast: a demand model from made-up series or from history, trained by one process or several.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "lab/forecast/processes.h"

namespace truce::lab {

struct TrainDemandOptions {
  std::string output = "demand.truce";
  // Empty: today's date and the seed.
  std::string version;
  // Files of series; empty: they are made up, so many of such a length (models/training/made_up_demand.h).
  std::vector<std::string> inputs;
  size_t series = 3'000;
  size_t length = 600;
  // Of files, at most so many values are learned from in each process.
  size_t most_values = 1'500'000;
  uint64_t seed = 1;
  int epochs = 10;
  // Pieces of series that one step learns from, in all processes together.
  int batch = 64;
  // As DemandTrainingOptions has them.
  double held_out_ratio = 0;
  int patience = 0;
  ProcessesOptions processes;
};

// Process 0 writes the model. Progress goes to stderr: the losses from process 0, and from each how fast it was.
// InvalidArgument for patience with nothing held out; whatever WorkTogether and TrainDemand have.
absl::Status TrainDemandModel(const TrainDemandOptions& options);

}  // namespace truce::lab
