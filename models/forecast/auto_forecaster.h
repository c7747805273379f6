// The forecaster that a host has for each of its series: the demand LSTM, the base layer and the last value, step by
// step whichever did best lately on the series (models/forecast/best_of.h). Pure; an object is one thread's.
//
// Whoever owns many, once a tick:
//
//   for (series) forecaster->ObserveLed(value, push);   // or Observe(value)
//   for (series) forecaster->AddDueStep(&batch);
//   batch.Run();                                        // models/forecast/demand_batch.h
//   for (series) forecaster->Predict(12, quantiles);
//   refits.Run(forecasters);                            // models/forecast/refits.h
//
// A new series is fitted to its first value; the base layer joins in with the first refit. Without the batch each makes
// its step alone, which costs more and says the same.
#pragma once

#include <cstddef>
#include <memory>

#include "models/forecast/demand_forecaster.h"
#include "models/forecast/demand_model.h"
#include "models/forecast/methods.h"

namespace truce {

// `season_steps` is what the LSTM looks back by (DemandFeatures), and costs 8 bytes a step beyond 288; `season` is the
// base layer's.
std::unique_ptr<LedForecaster> NewAutoForecaster(std::shared_ptr<const DemandModel> model, size_t season_steps,
                                                 SeasonRule season);

}  // namespace truce
