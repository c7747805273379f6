// How good forecasts are, by the formulas that the field uses. Pure.
//
// MASE: Hyndman and Koehler, "Another look at measures of forecast accuracy" (IJF 22, 2006), 3.4. Relative MAE and its
// geometric mean: the same, 3.3; Davydenko and Fildes (IJF 29, 2013). Pinball loss: Koenker and Bassett (Econometrica
// 46, 1978).
#pragma once

#include <cstddef>
#include <vector>

#include "absl/types/span.h"
#include "models/forecast/forecaster.h"

namespace truce::lab {

// The mean absolute change from one value to the next: what naive errs by within `history`. Pairs with a missing value
// don't count; NaN when there is no pair.
double NaiveError(absl::Span<const double> history);

// What a prediction of a quantile costs when `actual` comes: its shortfall by `quantile`, its excess by the rest.
double PinballLoss(double quantile, double predicted, double actual);

// NaN for none.
double Mean(absl::Span<const double> values);
double Median(std::vector<double> values);
// exp of the mean logarithm. Each is first brought within [0.01, 100], so that a single series without any error can't
// decide everything.
double GeometricMean(absl::Span<const double> ratios);

// What one method did on one series, summed over origins.
struct HorizonSums {
  double absolute_error = 0;
  size_t count = 0;
  // Values not above the forecast's high quantile.
  size_t covered = 0;
  // Those that are below it: fewer, where it is itself a value that comes often, such as 0.
  size_t below = 0;
};
struct SeriesSums {
  std::vector<HorizonSums> horizons;
  double peak_pinball = 0;
  size_t peaks = 0;
  // Peaks above the high quantile of the peak.
  size_t peaks_under = 0;
  double fit_seconds = 0;
  // Predictions, and the values taken in between them.
  double forecast_seconds = 0;
  size_t forecasts = 0;
};

// The quantile that capacity is sized by; peaks and coverage are measured at it.
inline constexpr double kHighQuantile = 0.95;

// Both take in a forecast with the quantiles 0.5 and kHighQuantile.
//
// Errors of the median and coverage at each of `horizons` (in steps, from 1; sums->horizons has as many). A horizon
// beyond `actual`, or whose value is missing, is left out.
void AddErrors(const Forecast& forecast, absl::Span<const double> actual, absl::Span<const size_t> horizons,
               SeriesSums* sums);
// The peak of all of `actual`, of which there are forecast.steps at most; left out when one is missing.
void AddPeak(const Forecast& forecast, absl::Span<const double> actual, SeriesSums* sums);

struct HorizonMarks {
  size_t steps = 0;
  double mean_mase = 0;
  double median_mase = 0;
  // Mean over series, in the unit of the series.
  double mae = 0;
  // Geometric mean over series of MAE over naive's.
  double relative_mae = 0;
  // Share of all values not above the high quantile.
  double coverage = 0;
  // Share of all values below it.
  double below = 0;

  // How far the high quantile is from being one: of a true one at least that share is not above, and at most that share
  // below.
  double CoverageOff() const;
};
struct MethodMarks {
  std::vector<HorizonMarks> horizons;
  // Mean over series of the peak's pinball loss over the series' naive error.
  double peak_pinball = 0;
  // Share of all peaks.
  double peaks_under = 0;
  double fit_seconds = 0;
  double forecast_seconds = 0;
};

// Over series, in the same order: a method's, naive's, and each one's NaiveError. A series whose naive error is not
// above 0 has no scale and counts in MAE, coverage and under-predicted peaks alone; one on which naive never erred has
// no relative MAE.
MethodMarks MarksOf(absl::Span<const SeriesSums> method, absl::Span<const SeriesSums> naive,
                    absl::Span<const double> scales, absl::Span<const size_t> horizons);

}  // namespace truce::lab
