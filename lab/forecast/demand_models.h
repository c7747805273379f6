// The demand LSTM in the lab: the one that comes with Truce, and how it is tuned to series at hand.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "models/forecast/demand_model.h"
#include "models/training/demand_trainer.h"

namespace truce::lab {

using SharedDemandModel = std::shared_ptr<const DemandModel>;

// The one that comes with Truce. NotFound, with the remedy, where it is not installed.
absl::StatusOr<SharedDemandModel> ShippedDemandModel();

// With fewer values than these a model is left as it is: they would be learned by heart.
inline constexpr size_t kLeastTuningValues = 20'000;
// `model`, trained some more on these series; itself where they are too few.
absl::StatusOr<SharedDemandModel> Tuned(const SharedDemandModel& model, absl::Span<const DemandSeries> series);

}  // namespace truce::lab
