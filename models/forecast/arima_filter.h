// How likely a series is under an ARIMA model: exactly, by the Kalman filter, and conditionally on its first values,
// which is quick. Used by models/forecast/arima.cc. Pure.
#pragma once

#include <vector>

#include "absl/types/span.h"
#include "models/forecast/arima_model.h"

namespace truce {

struct ArimaLikelihood {
  double count = 0;    // values that counted
  double squares = 0;  // sum of squared innovations, each divided by its own variance in units of sigma2
  double logs = 0;     // sum of the logarithms of those variances
  // Infinite where the model doesn't define one.
  double sigma2() const;
  // -2 log-likelihood with sigma2 at its best.
  double Deviance() const;
};

// The filter at the end of a series.
struct ArimaFiltered {
  ArimaLikelihood likelihood;
  std::vector<double> state;        // of ARMA, then the newest values
  std::vector<double> innovations;  // one a value, NaN at gaps; only when asked for
};

// Exact Gaussian likelihood (Gardner, Harvey, Phillips, AS 154, 1980; Harvey 1989, section 3.4), NaN are gaps. With
// differences, what was before the series is unknown: variance 1e6, and innovations whose variance is above 1e4 don't
// count, as in R's arima. Once the covariance has settled it is no longer computed: then O(lags) a value, before
// O(lags^2). `values` less their constant.
ArimaFiltered KalmanFilter(const ArimaPolynomials& polynomials, absl::Span<const double> values, bool keep_innovations);

// Conditional sum of squares of a series that needs no differencing (R's method "CSS"): the first innovations, as many
// as AR has lags, are taken for 0 and don't count; so are those at gaps.
ArimaLikelihood ConditionalFilter(const ArimaPolynomials& polynomials, absl::Span<const double> values);

}  // namespace truce
