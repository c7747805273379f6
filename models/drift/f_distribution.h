// The tail of the F distribution, for tests of several numbers at once. Pure.
#pragma once

namespace truce {

// P(F >= `value`) with `numerator` and `denominator` degrees of freedom, both above 0 and not necessarily whole: the
// regularised incomplete beta function (NIST DLMF 8.17.5 and its continued fraction 8.17.22, by the method of Lentz).
// Good to a relative 1e-8. 1 for values that are not above 0, NaN where any is NaN.
double UpperTailOfF(double value, double numerator, double denominator);

}  // namespace truce
