#include "models/forecast/paths.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

namespace truce {
namespace {

constexpr size_t kPaths = 500;
constexpr uint32_t kSeed = 20020318;

// Of ascending values, by linear interpolation.
double Quantile(absl::Span<const double> sorted, double quantile) {
  const double at = quantile * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(at);
  if (below + 1 >= sorted.size()) return sorted.back();
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[below + 1] - sorted[below]);
}

// One innovation for each path, evenly spread over those that were.
std::vector<double> Spread(absl::Span<const double> innovations) {
  std::vector<double> sorted(innovations.begin(), innovations.end());
  std::sort(sorted.begin(), sorted.end());
  std::vector<double> spread;
  for (size_t path = 0; path < kPaths; ++path)
    spread.push_back(Quantile(sorted, (static_cast<double>(path) + 0.5) / static_cast<double>(kPaths)));
  return spread;
}

void AppendQuantiles(std::vector<double> values, absl::Span<const double> quantiles, std::vector<double>& out) {
  std::sort(values.begin(), values.end());
  for (const double quantile : quantiles) out.push_back(Quantile(values, quantile));
}

}  // namespace

Forecast DrawPaths(const InnovationModel& model, absl::Span<const double> innovations, const PathOptions& options,
                   size_t steps, absl::Span<const double> quantiles) {
  Forecast forecast;
  forecast.steps = steps;
  forecast.quantiles.assign(quantiles.begin(), quantiles.end());
  std::vector<double> drawn = Spread(innovations);
  std::vector<ModelState> states(kPaths, model.state());
  std::vector<double> values(kPaths);
  std::vector<double> peaks(kPaths, -std::numeric_limits<double>::infinity());
  std::mt19937 random(kSeed);
  for (size_t step = 0; step < steps; ++step) {
    // By hand: what std::shuffle does with the same seed is each library's own affair.
    for (size_t i = kPaths - 1; i > 0; --i) std::swap(drawn[i], drawn[random() % (i + 1)]);
    const double season = options.season ? options.season(step) : 0;
    for (size_t path = 0; path < kPaths; ++path) {
      ModelState& state = states[path];
      const double mean = model.Mean(state), unit = model.Unit(state);
      const double value = std::clamp(season + mean + unit * drawn[path], options.lowest, options.highest);
      // The state learns the value as it was cut, so that a path that was cut does not run away behind the border.
      model.Advance(state, unit != 0 ? (value - season - mean) / unit : 0);
      values[path] = value;
      peaks[path] = std::max(peaks[path], value);
    }
    AppendQuantiles(values, quantiles, forecast.values);
    AppendQuantiles(peaks, quantiles, forecast.peaks);
  }
  return forecast;
}

}  // namespace truce
