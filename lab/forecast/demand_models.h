// The demand LSTM in the lab: the one that comes with Truce, how it is made, and how it is tuned to series at hand.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "models/forecast/demand_model.h"
#include "models/training/demand_trainer.h"

namespace truce::lab {

struct TrainDemandOptions {
  std::string output = "demand.truce";
  // Empty: today's date and the seed.
  std::string version;
  size_t series = 3'000;
  size_t length = 600;
  uint64_t seed = 1;
  int epochs = 10;
};

// truce-lab train forecast: a demand model from made-up series (models/training/made_up_demand.h), written to a file.
// Progress goes to stderr.
absl::Status TrainDemandModel(const TrainDemandOptions& options);

using SharedDemandModel = std::shared_ptr<const DemandModel>;

// The one that comes with Truce. NotFound, with the remedy, where it is not installed.
absl::StatusOr<SharedDemandModel> ShippedDemandModel();

// With fewer values than these a model is left as it is: they would be learned by heart.
inline constexpr size_t kLeastTuningValues = 20'000;
// `model`, trained some more on these series; itself where they are too few.
absl::StatusOr<SharedDemandModel> Tuned(const SharedDemandModel& model, absl::Span<const DemandSeries> series);

}  // namespace truce::lab
