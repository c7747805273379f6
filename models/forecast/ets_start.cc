#include "models/forecast/ets_start.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "models/forecast/line.h"

namespace truce {
namespace {

// What moves slowly: a centred moving average over one season, NaN within half a season of the ends.
std::vector<double> SlowPart(absl::Span<const double> values, size_t period) {
  std::vector<double> slow(values.size(), std::nan(""));
  const size_t half = period / 2;
  for (size_t i = half; i + half < values.size(); ++i) {
    double sum = std::accumulate(&values[i - half], &values[i + half] + 1, 0.0);
    if (period % 2 == 0) sum -= 0.5 * (values[i - half] + values[i + half]);
    slow[i] = sum / static_cast<double>(period);
  }
  return slow;
}

// One number for each phase of the season, whose mean is 0 (1 when multiplicative).
std::vector<double> FirstSeason(absl::Span<const double> values, size_t period, bool multiplicative) {
  std::vector<double> slow;
  if (values.size() < 3 * period) {
    const Line line = FitLine(values);
    for (size_t i = 0; i < values.size(); ++i) slow.push_back(line.intercept + line.slope * static_cast<double>(i));
  } else {
    slow = SlowPart(values, period);
  }
  std::vector<double> season(period);
  for (size_t phase = 0; phase < period; ++phase) {
    double count = 0;
    for (size_t i = phase; i < values.size(); i += period) {
      if (std::isnan(slow[i]) || (multiplicative && slow[i] == 0)) continue;
      const double apart = multiplicative ? values[i] / slow[i] : values[i] - slow[i];
      season[phase] += (apart - season[phase]) / ++count;
    }
  }
  const double mean = MeanOf(season);
  // A season that all but stops a series would divide by nothing.
  constexpr double kSmallestFactor = 1e-2;
  for (double& part : season)
    part = multiplicative ? std::max(mean != 0 ? part / mean : 1, kSmallestFactor) : part - mean;
  return season;
}

}  // namespace

ModelState EtsStart(absl::Span<const double> values, size_t period, const EtsForm& form) {
  ModelState state;
  std::vector<double> rest(values.begin(), values.end());
  if (form.season != EtsPart::kNone) {
    const bool multiplicative = form.season == EtsPart::kMultiplicative;
    const std::vector<double> season = FirstSeason(values, period, multiplicative);
    for (size_t i = 0; i < rest.size(); ++i) {
      const double part = season[i % period];
      rest[i] = multiplicative ? rest[i] / part : rest[i] - part;
    }
    state.numbers = season;
  }
  rest.resize(std::min(rest.size(), std::max<size_t>(10, period > 1 ? 2 * period : 0)));
  double level = MeanOf(rest);
  double trend = 0;
  if (form.trend != EtsPart::kNone) {
    // The line gives the state before the first value, one step back from position 0.
    const Line line = FitLine(rest);
    level = line.intercept - line.slope;
    trend = line.slope;
    if (form.trend == EtsPart::kMultiplicative) {
      if (std::fabs(level) < 1e-8) level = 1e-7;
      trend = std::clamp((level + line.slope) / level, 0.5, 2.0);
    }
  }
  state.numbers.insert(state.numbers.begin(), {level, trend});
  return state;
}

}  // namespace truce
