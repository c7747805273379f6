// A demand model as a forecaster of one series.
#pragma once

#include <cstddef>
#include <memory>

#include "models/forecast/demand_model.h"
#include "models/forecast/forecaster.h"

namespace truce {

// Season as in DemandFeatures. Steps between horizons lie on the line between them. Beyond the last horizon its quantiles
// go on, their distance from the median growing with the square root of the steps, as a random walk's does: whoever
// asks for so much is better served by a series with larger steps. Series without a negative value are not said to
// become negative. Fit looks at the last two weeks of five minutes (4,032 values), which is what its state can hold, and
// changes no weights.
std::unique_ptr<Forecaster> NewDemandForecaster(std::shared_ptr<const DemandModel> model, size_t season_steps);

}  // namespace truce
