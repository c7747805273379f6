// Where `truce-lab train` keeps the state of its trainings, so that one that was ended goes on.
#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "models/interference/example.h"
#include "models/training/trainer.h"

namespace truce::lab {

// A directory of our own with one file per training. Thread-safe.
class Checkpoints {
 public:
  static Checkpoints None() { return Checkpoints(""); }
  // Made when it is not there; InvalidArgument when it cannot be. An empty name: none.
  static absl::StatusOr<Checkpoints> In(std::string directory);

  // That of a training: named by its data and options, so that another's is never taken for it.
  TrainingCheckpoint Of(const ExampleList& training, const ExampleList& validation,
                        const TrainingOptions& options) const;
  // Removes them, and the directory when nothing else is in it.
  void Remove() const;

 private:
  explicit Checkpoints(std::string directory) : directory_(std::move(directory)) {}
  std::string directory_;
};

}  // namespace truce::lab
