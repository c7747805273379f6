#include "models/forecast/seasonal_strength.h"

#include <algorithm>
#include <cmath>

#include "models/forecast/line.h"

namespace truce {
namespace {

constexpr size_t kSeasonWindow = 11;
constexpr int kIterations = 2;

// What loess says at position `x` (which may lie one step outside) of values at 0, 1, 2, ...: a constant or a line,
// weighted by distance with the tricube among the `window` nearest values.
double Loess(absl::Span<const double> values, double x, size_t window, bool line) {
  const double size = static_cast<double>(values.size());
  const double span = static_cast<double>(std::min(window, values.size()));
  const double left = std::clamp(std::floor(x - (span - 1) / 2 + 0.5), 0.0, size - span);
  double reach = std::max(x - left, left + span - 1 - x);
  // A window that is wider than the series is as flat as if the series went on.
  if (window > values.size()) reach += std::floor((static_cast<double>(window) - size) / 2);
  double weights = 0, mean = 0, centre = 0;
  std::vector<double> weight(static_cast<size_t>(span));
  for (size_t i = 0; i < weight.size(); ++i) {
    const double at = left + static_cast<double>(i);
    const double far = reach > 0 ? std::fabs(at - x) / reach : 0;
    if (far >= 0.999) continue;
    weight[i] = far <= 0.001 ? 1 : std::pow(1 - far * far * far, 3);
    weights += weight[i];
    mean += weight[i] * values[static_cast<size_t>(at)];
    centre += weight[i] * at;
  }
  if (weights <= 0) return values[static_cast<size_t>(std::clamp(x, 0.0, size - 1))];
  mean /= weights;
  centre /= weights;
  if (!line) return mean;
  double squares = 0, products = 0;
  for (size_t i = 0; i < weight.size(); ++i) {
    const double at = left + static_cast<double>(i) - centre;
    squares += weight[i] * at * at;
    products += weight[i] * at * values[static_cast<size_t>(left) + i];
  }
  return std::sqrt(squares / weights) > 0.001 * (size - 1) ? mean + (x - centre) * products / squares : mean;
}

std::vector<double> LoessAll(absl::Span<const double> values, size_t window, bool line) {
  std::vector<double> smooth;
  for (size_t i = 0; i < values.size(); ++i) smooth.push_back(Loess(values, static_cast<double>(i), window, line));
  return smooth;
}

std::vector<double> MovingAverage(absl::Span<const double> values, size_t length) {
  std::vector<double> average;
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    sum += values[i];
    if (i >= length) sum -= values[i - length];
    if (i + 1 >= length) average.push_back(sum / static_cast<double>(length));
  }
  return average;
}

// Each phase smoothed along the seasons, from one season before the series to one after it.
std::vector<double> SmoothPhases(absl::Span<const double> values, size_t period) {
  std::vector<double> smooth(values.size() + 2 * period);
  for (size_t phase = 0; phase < period; ++phase) {
    std::vector<double> of_phase;
    for (size_t i = phase; i < values.size(); i += period) of_phase.push_back(values[i]);
    for (size_t i = 0; i < of_phase.size() + 2; ++i)
      smooth[phase + i * period] = Loess(of_phase, static_cast<double>(i) - 1, kSeasonWindow, false);
  }
  return smooth;
}

size_t NextOdd(double value) {
  const auto rounded = static_cast<size_t>(std::ceil(value));
  return rounded % 2 == 0 ? rounded + 1 : rounded;
}

}  // namespace

Decomposition Stl(absl::Span<const double> values, size_t period) {
  const double m = static_cast<double>(period);
  const size_t trend_window = NextOdd(1.5 * m / (1 - 1.5 / static_cast<double>(kSeasonWindow)));
  const size_t low_pass_window = NextOdd(m);
  Decomposition parts;
  parts.trend.assign(values.size(), 0);
  parts.season.assign(values.size(), 0);
  std::vector<double> work(values.size());
  for (int iteration = 0; iteration < kIterations; ++iteration) {
    for (size_t i = 0; i < values.size(); ++i) work[i] = values[i] - parts.trend[i];
    const std::vector<double> phases = SmoothPhases(work, period);
    std::vector<double> slow = MovingAverage(MovingAverage(MovingAverage(phases, period), period), 3);
    slow = LoessAll(slow, low_pass_window, true);
    for (size_t i = 0; i < values.size(); ++i) parts.season[i] = phases[period + i] - slow[i];
    for (size_t i = 0; i < values.size(); ++i) work[i] = values[i] - parts.season[i];
    parts.trend = LoessAll(work, trend_window, true);
  }
  for (size_t i = 0; i < values.size(); ++i) parts.rest.push_back(values[i] - parts.season[i] - parts.trend[i]);
  return parts;
}

double SeasonalStrength(absl::Span<const double> values, size_t period) {
  Decomposition parts = Stl(values, period);
  const double rest = VarianceOf(parts.rest);
  for (size_t i = 0; i < values.size(); ++i) parts.season[i] += parts.rest[i];
  const double both = VarianceOf(parts.season);
  return both > 0 ? std::clamp(1 - rest / both, 0.0, 1.0) : 0;
}

}  // namespace truce
