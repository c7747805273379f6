// Where `truce-lab train` and `evaluate` keep the state of their trainings, so that one that was ended goes on.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "models/interference/example.h"
#include "models/training/trainer.h"

namespace truce::lab {

// A directory with one file per training. Copies are the same. Thread-safe.
class Checkpoints {
 public:
  static Checkpoints None() { return Checkpoints(""); }
  // Made when it is not there; InvalidArgument when it cannot be. An empty name: none.
  static absl::StatusOr<Checkpoints> In(std::string directory);

  // That of a training: named by its data, its options and kTrainingFormat, so that another's is never taken for it.
  // What is damaged or cannot be written is told on stderr, and the training begins anew or goes on without.
  TrainingCheckpoint Of(const ExampleList& training, const ExampleList& validation,
                        const TrainingOptions& options) const;
  // Removes those that Of was asked for, and the directory when nothing is left in it.
  void Remove() const;

 private:
  struct Used {
    std::mutex mutex;
    std::set<std::string> files;
    bool told_unwritable = false;
  };
  explicit Checkpoints(std::string directory) : directory_(std::move(directory)), used_(std::make_shared<Used>()) {}
  std::string directory_;
  std::shared_ptr<Used> used_;
};

}  // namespace truce::lab
