// A demand model as a forecaster of one series.
#pragma once

#include <cstddef>
#include <memory>

#include "models/forecast/demand_model.h"
#include "models/forecast/forecaster.h"

namespace truce {

// Season as in DemandFeatures. Forecasts reach kDemandHorizons.back() steps; asked for more it says InvalidArgument.
// Steps between horizons lie on the line between them. Series without a negative value are not said to become negative.
// Fit looks at the last kMostFitted values, which is what its state can hold, and refits nothing.
std::unique_ptr<Forecaster> NewDemandForecaster(std::shared_ptr<const DemandModel> model, size_t season_steps);

}  // namespace truce
