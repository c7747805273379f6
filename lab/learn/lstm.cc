#include "lab/learn/lstm.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {

absl::StatusOr<TrainedInterference> TrainSafely(const ExampleList& training, const ExampleList& validation,
                                                const TrainingOptions& options,
                                                const std::function<bool(const EpochReport&)>& report,
                                                const Checkpoints& checkpoints) {
  try {
    return TrainInterference(training, validation, options, report, checkpoints.Of(training, validation, options));
  } catch (const std::exception& error) {  // libtorch's way
    return absl::InternalError(StrCat("training: ", error.what()));
  }
}

absl::Status LstmPredictor::Fit(const ExampleList& training, const ExampleList& validation) {
  members_.clear();
  ExampleList all = training;
  all.insert(all.end(), validation.begin(), validation.end());
  for (int i = 0; i < count_; ++i) {
    TrainingOptions options = options_;
    options.seed += static_cast<uint64_t>(i);
    const auto go_on = [](const EpochReport&) { return true; };
    TRUCE_ASSIGN_OR_RETURN(const TrainedInterference judge,
                           TrainSafely(training, validation, options, go_on, checkpoints_));
    if (trained_) trained_(judge.epochs);
    // Once it is known when to stop, the programs that said so are learned from too.
    options.stop_after = std::max(1, judge.epochs);
    TRUCE_ASSIGN_OR_RETURN(const TrainedInterference whole, TrainSafely(all, {}, options, go_on, checkpoints_));
    Familiarity familiarity = whole.model.familiarity();
    familiarity.distances = judge.model.familiarity().distances;
    members_.emplace_back(whole.model.weights(), judge.model.calibration(), std::move(familiarity));
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
      sum.reach += share * one.reach;
      sum.probability += share * one.probability;
      sum.deviations_above += share * one.deviations_above;
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
