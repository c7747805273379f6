// A demand model as a forecaster of one series.
#pragma once

#include <cstddef>
#include <memory>

#include "models/forecast/demand_batch.h"
#include "models/forecast/demand_model.h"
#include "models/forecast/forecaster.h"
#include "models/forecast/leader_push.h"

namespace truce {

// A forecaster that can be told, beside each value, what a leading series has in store (models/forecast/leaders.h).
class LedForecaster : public Forecaster {
 public:
  // As Fit of the values alone, with what was in store at each of them: as many as there are values, or
  // InvalidArgument.
  virtual absl::Status FitLed(absl::Span<const double> history, absl::Span<const LeaderPush> pushes) = 0;
  // Leaves the network's step until something is asked for: made then, or by a batch.
  virtual void ObserveLed(double value, const LeaderPush& push) = 0;
  // Adds the step that is due, if one is, to `batch`, which has to run before anything else is asked of this.
  virtual void AddDueStep(DemandBatch* batch) = 0;
};

// Season as in DemandFeatures. Steps between horizons lie on the line between them. Beyond the last horizon its
// quantiles go on, their distance from the median growing with the square root of the steps, as a random walk's does:
// whoever asks for so much is better served by a series with larger steps. Series without a negative value are not said
// to become negative, and none to leave what was seen by more than its range and 20 mean changes: the network's outputs
// are logarithmic far out, where a small error is a huge one. Fit looks at the last two weeks of five minutes (4,032
// values), which is what its state can hold, and changes no weights. What is fitted or observed without a push has no
// leader.
std::unique_ptr<LedForecaster> NewDemandForecaster(std::shared_ptr<const DemandModel> model, size_t season_steps);

}  // namespace truce
