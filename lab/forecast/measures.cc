#include "lab/forecast/measures.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "src/base/figures.h"

namespace truce::lab {
namespace {

constexpr double kLeastRatio = 0.01;
constexpr double kMostRatio = 100;

double Ratio(double part, double whole) {
  return whole > 0 ? part / whole : std::numeric_limits<double>::quiet_NaN();
}

double Mae(const HorizonSums& sums) {
  return Ratio(sums.absolute_error, static_cast<double>(sums.count));
}

HorizonMarks MarksAt(size_t horizon, absl::Span<const SeriesSums> method, absl::Span<const SeriesSums> naive,
                     absl::Span<const double> scales) {
  std::vector<double> scaled, errors, relative;
  size_t covered = 0;
  size_t below = 0;
  size_t count = 0;
  for (size_t i = 0; i < method.size(); ++i) {
    const HorizonSums& sums = method[i].horizons[horizon];
    if (sums.count == 0) continue;
    errors.push_back(Mae(sums));
    if (scales[i] > 0) scaled.push_back(errors.back() / scales[i]);
    const double naives = Mae(naive[i].horizons[horizon]);
    if (naives > 0) relative.push_back(errors.back() / naives);
    covered += sums.covered;
    below += sums.below;
    count += sums.count;
  }
  HorizonMarks marks;
  marks.mean_mase = Mean(scaled);
  marks.median_mase = Median(scaled);
  marks.mae = Mean(errors);
  marks.relative_mae = GeometricMean(relative);
  marks.coverage = Ratio(static_cast<double>(covered), static_cast<double>(count));
  marks.below = Ratio(static_cast<double>(below), static_cast<double>(count));
  return marks;
}

}  // namespace

double HorizonMarks::CoverageOff() const {
  // NaN, where nothing was judged, stays NaN: it meets no target.
  return std::isnan(coverage) ? coverage : std::max({0.0, kHighQuantile - coverage, below - kHighQuantile});
}

double NaiveError(absl::Span<const double> history) {
  double sum = 0;
  double pairs = 0;
  for (size_t i = 1; i < history.size(); ++i) {
    const double change = std::abs(history[i] - history[i - 1]);
    if (std::isnan(change)) continue;
    sum += change;
    ++pairs;
  }
  return Ratio(sum, pairs);
}

double PinballLoss(double quantile, double predicted, double actual) {
  return actual >= predicted ? quantile * (actual - predicted) : (1 - quantile) * (predicted - actual);
}

double Mean(absl::Span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return Ratio(sum, static_cast<double>(values.size()));
}

double Median(std::vector<double> values) {
  return Summarize(std::move(values)).median;
}

double GeometricMean(absl::Span<const double> ratios) {
  std::vector<double> logarithms;
  for (const double ratio : ratios) logarithms.push_back(std::log(std::clamp(ratio, kLeastRatio, kMostRatio)));
  return std::exp(Mean(logarithms));
}

void AddErrors(const Forecast& forecast, absl::Span<const double> actual, absl::Span<const size_t> horizons,
               SeriesSums* sums) {
  for (size_t i = 0; i < horizons.size(); ++i) {
    const size_t step = horizons[i] - 1;
    if (step >= actual.size() || std::isnan(actual[step])) continue;
    HorizonSums& at = sums->horizons[i];
    at.absolute_error += std::abs(actual[step] - forecast.Value(step, 0));
    at.covered += actual[step] <= forecast.Value(step, 1);
    at.below += actual[step] < forecast.Value(step, 1);
    ++at.count;
  }
}

void AddPeak(const Forecast& forecast, absl::Span<const double> actual, SeriesSums* sums) {
  double peak = -INFINITY;
  for (const double value : actual) {
    if (std::isnan(value)) return;
    peak = std::max(peak, value);
  }
  if (actual.empty()) return;
  const double predicted = forecast.Peak(actual.size() - 1, 1);
  sums->peak_pinball += PinballLoss(kHighQuantile, predicted, peak);
  sums->peaks_under += peak > predicted;
  ++sums->peaks;
}

MethodMarks MarksOf(absl::Span<const SeriesSums> method, absl::Span<const SeriesSums> naive,
                    absl::Span<const double> scales, absl::Span<const size_t> horizons) {
  MethodMarks marks;
  for (size_t i = 0; i < horizons.size(); ++i) {
    marks.horizons.push_back(MarksAt(i, method, naive, scales));
    marks.horizons.back().steps = horizons[i];
  }
  std::vector<double> pinballs;
  SeriesSums all;
  for (size_t i = 0; i < method.size(); ++i) {
    const SeriesSums& sums = method[i];
    if (sums.peaks > 0 && scales[i] > 0) {
      pinballs.push_back(sums.peak_pinball / static_cast<double>(sums.peaks) / scales[i]);
    }
    all.peaks += sums.peaks;
    all.peaks_under += sums.peaks_under;
    all.fit_seconds += sums.fit_seconds;
    all.forecast_seconds += sums.forecast_seconds;
    all.forecasts += sums.forecasts;
  }
  marks.peak_pinball = Mean(pinballs);
  marks.peaks_under = Ratio(static_cast<double>(all.peaks_under), static_cast<double>(all.peaks));
  marks.fit_seconds = Ratio(all.fit_seconds, static_cast<double>(method.size()));
  marks.forecast_seconds = Ratio(all.forecast_seconds, static_cast<double>(all.forecasts));
  return marks;
}

}  // namespace truce::lab
