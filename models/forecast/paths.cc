#include "models/forecast/paths.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

namespace truce {
namespace {

// The lattice, found among others by how near quantiles of values and peaks of walks, smoothings and autoregressions
// with normal, exponential and spiky innovations come to those of 300,000 random paths.
constexpr size_t kGenerator = 61;
constexpr size_t kShift = 37;

// Which of the spread innovations each path has at a step.
using Order = std::array<size_t, kPaths>;
Order OrderAt(size_t step, size_t multiplier) {
  Order order;
  size_t at = (step * step + kShift * step) % kPaths;
  for (size_t& rank : order) {
    rank = at;
    at += multiplier;
    if (at >= kPaths) at -= kPaths;
  }
  return order;
}

template <typename Number>
double Between(absl::Span<const Number> sorted, double at) {
  const auto below = static_cast<size_t>(at);
  const double value = sorted[below];
  if (below + 1 >= sorted.size()) return value;
  return value + (at - static_cast<double>(below)) * (static_cast<double>(sorted[below + 1]) - value);
}

// One innovation for each path, evenly spread over those that were (Hyndman and Fan's type 7: type 6 would leave fewer
// peaks above their quantile, but say so much more of them that they cost more).
std::array<double, kPaths> Spread(absl::Span<const float> innovations) {
  std::array<double, kPaths> spread;
  const auto count = static_cast<double>(innovations.size());
  for (size_t path = 0; path < kPaths; ++path) {
    const double level = (static_cast<double>(path) + 0.5) / static_cast<double>(kPaths);
    spread[path] = Between(innovations, level * (count - 1));
  }
  return spread;
}

double SeasonAt(const PathOptions& options, size_t step) {
  return options.season.empty() ? 0 : options.season[step];
}

// All paths step by step: each is what is expected and the weighted innovations before.
void AddWeighted(const InnovationModel& model, const std::array<double, kPaths>& spread, const PathOptions& options,
                 absl::Span<const double> weights, double share, PathValues* sum) {
  const size_t steps = weights.size();
  ModelState expected = model.state();
  // As they were after the values were cut, so that a path that was cut does not run away behind the border.
  std::vector<double> innovations(steps * kPaths);
  std::array<double, kPaths> means;
  size_t multiplier = 1;
  for (size_t step = 0; step < steps; ++step) {
    means.fill(SeasonAt(options, step) + model.Mean(expected));
    model.Advance(expected, 0);
    for (size_t before = 0; before < step; ++before) {
      const double weight = weights[step - before];
      const double* const then = innovations.data() + before * kPaths;
      for (size_t path = 0; path < kPaths; ++path) means[path] += weight * then[path];
    }
    const Order order = OrderAt(step, multiplier);
    multiplier = multiplier * kGenerator % kPaths;
    double* const now = innovations.data() + step * kPaths;
    double* const out = sum->data() + step * kPaths;
    for (size_t path = 0; path < kPaths; ++path) {
      const double value = std::clamp(means[path] + spread[order[path]], options.lowest, options.highest);
      now[path] = value - means[path];
      out[path] += share * value;
    }
  }
}

// Whatever the model: each path has its own state.
void AddSimulated(const InnovationModel& model, const std::array<double, kPaths>& spread, const PathOptions& options,
                  size_t steps, double share, PathValues* sum) {
  std::vector<ModelState> states(kPaths, model.state());
  size_t multiplier = 1;
  for (size_t step = 0; step < steps; ++step) {
    const Order order = OrderAt(step, multiplier);
    multiplier = multiplier * kGenerator % kPaths;
    const double season = SeasonAt(options, step);
    for (size_t path = 0; path < kPaths; ++path) {
      ModelState& state = states[path];
      const double mean = model.Mean(state), unit = model.Unit(state);
      const double value = std::clamp(season + mean + unit * spread[order[path]], options.lowest, options.highest);
      model.Advance(state, unit != 0 ? (value - season - mean) / unit : 0);
      (*sum)[step * kPaths + path] += share * value;
    }
  }
}

// `values` are put into another order. The i-th of them, from 0, stands for the level (i + 1/2) / n, as it was drawn
// (Hyndman and Fan's type 5).
void AppendQuantiles(absl::Span<double> values, absl::Span<const double> quantiles, std::vector<double>* out) {
  auto from = values.begin();
  for (const double quantile : quantiles) {
    const auto count = static_cast<double>(values.size());
    const double at = std::clamp(quantile * count - 0.5, 0.0, count - 1);
    const auto below = values.begin() + static_cast<std::ptrdiff_t>(at);
    if (below >= from) std::nth_element(from, below, values.end());
    from = below;
    const auto above = below + 1 == values.end() ? below : std::min_element(below + 1, values.end());
    out->push_back(*below + (at - std::floor(at)) * (*above - *below));
  }
}

}  // namespace

void AddPaths(const InnovationModel& model, absl::Span<const float> innovations, const PathOptions& options,
              size_t steps, double share, PathValues* sum) {
  const std::array<double, kPaths> spread = Spread(innovations);
  const std::vector<double> weights = model.Weights(steps);
  if (weights.empty()) {
    AddSimulated(model, spread, options, steps, share, sum);
  } else {
    AddWeighted(model, spread, options, weights, share, sum);
  }
}

Forecast QuantilesOfPaths(absl::Span<const size_t> steps_ahead, absl::Span<const double> quantiles, PathValues* paths) {
  Forecast forecast;
  forecast.steps = steps_ahead.size();
  forecast.quantiles.assign(quantiles.begin(), quantiles.end());
  forecast.values.reserve(steps_ahead.size() * quantiles.size());
  forecast.peaks.reserve(steps_ahead.size() * quantiles.size());
  std::array<double, kPaths> room;
  const auto append = [&](const double* row, std::vector<double>* out) {
    std::copy_n(row, kPaths, room.begin());
    AppendQuantiles(absl::MakeSpan(room), quantiles, out);
  };
  size_t step = 0;
  for (const size_t ahead : steps_ahead) {
    append(paths->data() + (ahead - 1) * kPaths, &forecast.values);
    for (step = std::max<size_t>(step, 1); step < ahead; ++step) {
      double* const row = paths->data() + step * kPaths;
      for (size_t path = 0; path < kPaths; ++path) row[path] = std::max(row[path], row[path - kPaths]);
    }
    append(paths->data() + (ahead - 1) * kPaths, &forecast.peaks);
  }
  return forecast;
}

std::vector<size_t> EveryStep(size_t steps) {
  std::vector<size_t> every(steps);
  std::iota(every.begin(), every.end(), 1);
  return every;
}

}  // namespace truce
