// How much of a series a season of a given period explains, by STL. models/forecast/arima_order.cc asks whether to
// difference by it. Pure.
#pragma once

#include <vector>

#include "absl/types/span.h"

namespace truce {

struct Decomposition {
  std::vector<double> season, trend, rest;
};

// Seasonal and trend decomposition by Loess (Cleveland, Cleveland, McRae, Terpenning, JOS 6(1), 1990) with two inner
// and no robustness iterations, windows as R's mstl has them: season 11, trend and low-pass by the period. No gaps; at
// least two periods; period >= 2. O(values x windows).
Decomposition Stl(absl::Span<const double> values, size_t period);

// max(0, 1 - var(rest) / var(season + rest)) of that (Wang, Smith, Hyndman, Characteristic-based clustering for time
// series data, DMKD 13, 2006).
double SeasonalStrength(absl::Span<const double> values, size_t period);

}  // namespace truce
