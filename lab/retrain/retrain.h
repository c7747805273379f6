// truce-lab retrain: the demand model in use, tuned on what a fleet used, and whether the result may take its place.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "truce/v1/history.pb.h"

namespace truce::lab {

struct RetrainOptions {
  // The model in use; never written to.
  std::string champion;
  // What was used (lab/retrain/history.h).
  std::string input;
  // Where the tuned model goes, whatever the verdict. Empty: `challenger` is judged, and nothing is tuned.
  std::string output;
  std::string challenger;
  // What the tuned model calls itself; empty: the time, and "retrained".
  std::string version;
  uint64_t seed = 1;
  int epochs = 4;
  int threads = 1;
};

// Tunes the champion on the history before the newest fifth of its time, and on made-up series
// (models/training/made_up_demand.h), so that it does not forget what it came with; then judges both on that fifth
// (judge.h). Progress goes to stderr. InvalidArgument where the output is the champion, DataLoss for files that are
// none, FailedPrecondition where the history is too short or holds too little.
absl::StatusOr<v1::RetrainingVerdict> Retrain(const RetrainOptions& options);

// With fewer known values before the judged span a model is not tuned: they would be learned by heart.
inline constexpr size_t kLeastRetrainingValues = 20'000;

}  // namespace truce::lab
