// What predicts slowdowns and is compared with others on the same data: ours and the baselines.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/interference/example.h"

namespace truce::lab {

class Predictor {
 public:
  virtual ~Predictor() = default;
  // Learns from `training`; `validation` holds programs that `training` does not, for whoever needs to know when to
  // stop. Internal when a library refuses.
  virtual absl::Status Fit(const ExampleList& training, const ExampleList& validation) = 0;
  // One prediction per example, in order.
  virtual absl::StatusOr<std::vector<InterferencePrediction>> Predict(const ExampleList& examples) = 0;
};

// "cpu sum": how much the victim's CPUs are asked for in all, by everybody who may run there; a threshold on it.
std::unique_ptr<Predictor> NewCpuSumPredictor();
// "cpi2 correlation": of the victim's suffering (CPI where there are counters, else wait for a CPU) with the
// neighbour's use of CPUs over the samples so far (models/interference_correlation.h); a threshold on it.
std::unique_ptr<Predictor> NewCorrelationPredictor();
// "linear": ridge and logistic regression on FlatFeatures.
std::unique_ptr<Predictor> NewLinearPredictor();
// "boosted trees": XGBoost on FlatFeatures (Chen and Guestrin 2016).
std::unique_ptr<Predictor> NewBoostedTreesPredictor(uint64_t seed);
// "collaborative filter": latent factors of victims and aggressors (Delimitrou and Kozyrakis, "Paragon", ASPLOS 2013).
// It knows programs by name only, so it is given what Paragon's profiling gives: the first `profiled` meetings of each
// program that training did not see, out of those that it is asked about.
std::unique_ptr<Predictor> NewCollaborativePredictor(int profiled, uint64_t seed);

// Moments' worth of the same features that the LSTM sees, as one row of fixed length: the victim's last seconds and its
// history, the neighbour that asks most of the victim's CPUs, the sum of all, and what they share.
std::vector<float> FlatFeatures(const InterferenceExample& example);

// CPU cores used, averaged over the last samples of a sequence.
double RecentCores(const InputSequence& sequence);

}  // namespace truce::lab
