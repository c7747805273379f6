// truce-lab train: from a data set to a model that agents can use, and its card.
#pragma once

#include <iosfwd>
#include <string>

#include "absl/status/status.h"
#include "models/training/trainer.h"

namespace truce::lab {

struct TrainOptions {
  // The data set.
  std::string file;
  // The model is written here, and its card (what it was trained on, how good it is, where it fails) beside it, with
  // .md for its ending.
  std::string output = "interference.truce";
  // Names the model; empty: today's date and the first digits of its digest.
  std::string version;
  // Programs held out at a time while it is judged.
  int held_out = 3;
  int threads = 2;
  int bootstrap_draws = 300;
  // Trainings that were ended go on from here; what they left is removed at the end, and the directory if that was all.
  // Empty: they begin anew.
  std::string checkpoints;
  TrainingOptions training;
};

// Where the card of that model is written: its name with the ending .md.
std::string CardOf(std::string model);

// First judges the method on programs held out in turn, which also says for how many epochs to train, how to calibrate
// and how far out unknown programs lie; then trains on all of them. Progress goes to `progress`. NotFound, DataLoss or
// InvalidArgument when the data set is not there, damaged or too small; nothing is written then.
absl::Status Train(const TrainOptions& options, std::ostream& progress);

}  // namespace truce::lab
