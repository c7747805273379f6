// A straight line through values at 0, 1, 2, ..., and values between those that are there. Pure.
#pragma once

#include <vector>

#include "absl/types/span.h"

namespace truce {

struct Line {
  double intercept = 0;  // at position 0
  double slope = 0;
};

// Least squares; NaN are left out. Slope 0 with less than two values, intercept 0 with none.
Line FitLine(absl::Span<const double> values);

// Gaps filled by straight lines between their neighbours, and by the nearest value at the ends. At least one value.
std::vector<double> FillGaps(absl::Span<const double> values);

// Each value less the one `lag` before it; NaN where one of them is missing. Shorter by `lag`.
std::vector<double> Differences(absl::Span<const double> values, size_t lag);

// How many are there, their mean, and their variance by n; NaN when there are none.
size_t CountKnown(absl::Span<const double> values);
double MeanOf(absl::Span<const double> values);
double VarianceOf(absl::Span<const double> values);

// Whether all values that are there are equal, up to rounding. True without any.
bool IsConstant(absl::Span<const double> values);

}  // namespace truce
