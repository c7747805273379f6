#include "lab/learn/lstm.h"

#include <exception>
#include <utility>

#include "src/base/text.h"

namespace truce::lab {

absl::Status LstmPredictor::Fit(const ExampleList& training, const ExampleList& validation) {
  members_.clear();
  for (int i = 0; i < count_; ++i) {
    TrainingOptions options = options_;
    options.seed += static_cast<uint64_t>(i);
    try {
      TrainedInterference trained = TrainInterference(
          training, validation, options, [](const EpochReport&) { return true; },
          checkpoints_.Of(training, validation, options));
      if (trained_) trained_(trained.epochs);
      members_.push_back(std::move(trained.model));
    } catch (const std::exception& error) {  // libtorch's way
      return absl::InternalError(StrCat("training: ", error.what()));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<InterferencePrediction>> LstmPredictor::Predict(const ExampleList& examples) {
  std::vector<InterferencePrediction> predictions;
  predictions.reserve(examples.size());
  for (const InterferenceExample* example : examples) {
    InterferencePrediction sum;
    sum.familiarity = 0;
    for (InterferenceModel& member : members_) {
      const InterferencePrediction one = member.Predict(*example);
      const double share = 1.0 / static_cast<double>(members_.size());
      sum.log_slowdown += share * one.log_slowdown;
      sum.deviation += share * one.deviation;
      sum.probability += share * one.probability;
      sum.uncalibrated += share * one.uncalibrated;
      sum.distances.resize(one.distances.size());
      for (size_t m = 0; m < one.distances.size(); ++m) {
        sum.distances[m] += static_cast<float>(share) * one.distances[m];
      }
      sum.familiarity += share * one.familiarity;
      for (size_t r = 0; r < kResourceCount; ++r) sum.by_resource[r] += share * one.by_resource[r];
    }
    predictions.push_back(sum);
  }
  return predictions;
}

}  // namespace truce::lab
