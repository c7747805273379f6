// The interference LSTM as a predictor to be compared with others.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "lab/learn/checkpoints.h"
#include "lab/learn/predictor.h"
#include "models/interference/model.h"
#include "models/training/trainer.h"

namespace truce::lab {

// TrainInterference; Internal when libtorch fails.
absl::StatusOr<TrainedInterference> TrainSafely(const ExampleList& training, const ExampleList& validation,
                                                const TrainingOptions& options,
                                                const std::function<bool(const EpochReport&)>& report,
                                                const Checkpoints& checkpoints);

class LstmPredictor : public Predictor {
 public:
  // The mean of `count` networks that differ in their seeds. `trained` gets the epochs of each (may be empty).
  LstmPredictor(TrainingOptions options, int count, std::function<void(int epochs)> trained, Checkpoints checkpoints)
      : options_(options), count_(count), trained_(std::move(trained)), checkpoints_(std::move(checkpoints)) {}
  absl::Status Fit(const ExampleList& training, const ExampleList& validation) override;
  absl::StatusOr<std::vector<InterferencePrediction>> Predict(const ExampleList& examples) override;

 private:
  const TrainingOptions options_;
  const int count_;
  const std::function<void(int)> trained_;
  const Checkpoints checkpoints_;
  std::vector<InterferenceModel> members_;
};

}  // namespace truce::lab
