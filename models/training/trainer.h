// Trains the interference LSTM. Deterministic for a seed on one machine. May be called from several threads at once,
// each with data of its own; libtorch and its BLAS are left with one thread each in the whole process, since the
// matrices are small.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "models/interference/example.h"
#include "models/interference/model.h"

namespace truce {

// Rises whenever training computes something else from the same data and options.
inline constexpr int kTrainingFormat = 3;

struct TrainingOptions {
  uint64_t seed = 1;
  int most_epochs = 60;
  // Ends after so many epochs of the schedule for most_epochs; 0: does not.
  int stop_after = 0;
  // Training ends when the held-out loss has not fallen for so many epochs; the best weights are kept. But none of
  // before least_epochs: what a few programs are best told by early on is chance.
  int patience = 10;
  int least_epochs = 20;
  int batch = 64;
  double learning_rate = 3e-3;
  double weight_decay = 1e-3;
  // Sizes of the network (models/interference/model.h).
  int projected = 24;
  int hidden = 16;
  int pair = 24;
  // How often each group of features is hidden from an example, so that a host without it still gets useful scores.
  double hide_ratio = 0.1;
  // How often a workload's history is cut short, so that newcomers get useful scores.
  double shorten_ratio = 0.2;
  // How often a sequence begins with the state that some other workload left, so that the network learns to forget: in
  // the agent it runs for months, on sequences far longer than those here.
  double stale_ratio = 0.3;
  // How often each part of a fingerprint is left out of a batch (dropout; Srivastava et al. 2014), and the deviation of
  // the noise that is added to each feature, in units of its own: programs are few, and must not be learned by heart.
  // It is the same for a whole sequence, or the mean over its samples would see through it.
  double dropout = 0.3;
  double noise = 0.5;
};

struct EpochReport {
  int epoch = 0;
  double training_loss = 0;
  double validation_loss = 0;
  bool best = false;
};

// Where a training keeps its state, so that one that was ended goes on instead of beginning anew. What `load` gives
// must be what `save` got last for the same data, options and kTrainingFormat; nullopt begins anew. All may be empty.
struct TrainingCheckpoint {
  std::function<std::optional<std::string>()> load;
  std::function<void(const std::string& state)> save;
  // What `load` gave is no state of such a training, so it begins anew.
  std::function<void(const std::string& why)> refused;
};

struct TrainedInterference {
  InterferenceModel model;
  // Epochs after which its weights were taken.
  int epochs = 0;
};

// `validation` (programs that are not in `training`) says when to stop, how to calibrate and how far out unknown
// programs lie. It may be empty: then all epochs are run and nothing is calibrated. `report` is called after each
// epoch; false ends the training with the best weights so far. One that goes on from a checkpoint ends with the same
// weights as one that was never ended.
TrainedInterference TrainInterference(const ExampleList& training, const ExampleList& validation,
                                      const TrainingOptions& options,
                                      const std::function<bool(const EpochReport&)>& report,
                                      const TrainingCheckpoint& checkpoint = {});

}  // namespace truce
