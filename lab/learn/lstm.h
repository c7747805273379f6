// The interference LSTM as a predictor to be compared with others.
#pragma once

#include <vector>

#include "lab/learn/predictor.h"
#include "models/interference/model.h"
#include "models/training/trainer.h"

namespace truce::lab {

class LstmPredictor : public Predictor {
 public:
  // The mean of `count` networks that differ in their seeds.
  LstmPredictor(TrainingOptions options, int count) : options_(options), count_(count) {}
  absl::Status Fit(const ExampleList& training, const ExampleList& validation) override;
  absl::StatusOr<std::vector<InterferencePrediction>> Predict(const ExampleList& examples) override;

 private:
  const TrainingOptions options_;
  const int count_;
  std::vector<InterferenceModel> members_;
};

}  // namespace truce::lab
