// Where the roots of a polynomial lie, without finding them. ETS and ARIMA ask whether their parameters are allowed.
#pragma once

#include "absl/types/span.h"

namespace truce {

// Whether all z with 1 + c[0] z + c[1] z^2 + ... = 0 have |z| > radius (> 0): the step-down recursion of Schur and
// Cohn (Jury, Theory and Application of the z-Transform Method, 1964). True without coefficients.
bool RootsOutside(absl::Span<const double> coefficients, double radius);

}  // namespace truce
