// Fitting seasonal ARIMA models, and choosing their orders. As R's arima and forecast::auto.arima do it, so that
// results can be compared (Hyndman and Khandakar, Automatic time series forecasting, JSS 27(3), 2008). Pure.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "models/forecast/arima_model.h"

namespace truce {

struct ArimaFit {
  ArimaModel model;  // after the newest value
  // Gaussian, exact, of the differenced series.
  double log_likelihood = 0;
  // Infinite when there are too few values for the order's parameters.
  double aicc = 0;
  double sigma2 = 0;  // of the innovations, by maximum likelihood
  // One for each value, NaN at gaps and for those that differencing takes.
  std::vector<double> innovations;
};

// Longest period that seasonal terms are fitted for: the filter's cost grows with its square. Remove longer seasons
// first (season.h).
inline constexpr size_t kLongestArimaPeriod = 12;

// Maximum likelihood from where the conditional sum of squares is least (R's "CSS-ML"). AR and MA parts are kept
// stationary and invertible through partial autocorrelations (Monahan, Biometrika 71, 1984). NaN are gaps;
// InvalidArgument when fewer values are there than differencing takes and one more, or for orders that are none: a
// constant with two differences, seasonal terms without a period of 2 to kLongestArimaPeriod.
absl::StatusOr<ArimaFit> FitArima(absl::Span<const double> values, const ArimaOrder& order);

// The AICc that a fit by the conditional sum of squares alone reaches; quick, and comparable between orders of the same
// differences. Infinite for orders that can't be fitted, and where a root of the polynomials is within 1.01, as such
// fits are unstable.
double QuickAicc(absl::Span<const double> values, const ArimaOrder& order);

// Whether the roots of both polynomials keep the distance that QuickAicc asks for.
bool RootsKeepAway(const ArimaModel& model);

struct ArimaSearch {
  // Only so many of the newest values are used to choose the order; the parameters are fitted to all.
  size_t values = 1000;
  // Up to so many values orders are compared by the exact likelihood, beyond by QuickAicc, and the best few exactly.
  size_t exact_values = 150;
};

// Differences by the seasonal strength (> 0.64) and repeated KPSS tests (5 %, at most 2, the
// second only when it reduces the variance, unlike R), then orders stepwise up to
// p, q <= 5 and P, Q <= 2. `period` 1 for no season; one that is longer than kLongestArimaPeriod, or of which there are
// not two in the series, counts as none. Whatever can't be fitted to a series this short ends in its mean.
// InvalidArgument when there is no value.
absl::StatusOr<ArimaFit> SelectArima(absl::Span<const double> values, size_t period, const ArimaSearch& search = {});

// The orders' differences alone: p = q = P = Q = 0.
ArimaOrder SelectDifferences(absl::Span<const double> values, size_t period);

}  // namespace truce
