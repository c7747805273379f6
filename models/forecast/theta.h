// The Theta method. models/forecast/methods.h makes a forecaster of it. Pure.
#pragma once

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "models/forecast/ets.h"

namespace truce {

// Simple smoothing with half the slope of the straight line through all values as its drift, which is what Theta is
// (Assimakopoulos and Nikolopoulos, IJF 16(4), 2000; Hyndman and Billah, Unmasking the Theta method, IJF 19(2), 2003).
// The model is ETS(A,A,N) with beta 0. A season must be taken off before. InvalidArgument when there is no value.
absl::StatusOr<EtsFit> FitTheta(absl::Span<const double> values);

}  // namespace truce
