// Truce's own methods as the lab measures them beside others.
#pragma once

#include <vector>

#include "lab/forecast/methods.h"

namespace truce::lab {

// ses, ets, arima, theta, base (models/forecast/methods.h), lstm, and auto: the best of lstm and base as things go.
void AddOwnMethods(std::vector<ForecastMethod>* methods);

}  // namespace truce::lab
