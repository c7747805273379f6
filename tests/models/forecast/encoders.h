// Made-up hosts: workloads that have nothing to do with each other, and encoders whose jobs are stored later.
#pragma once

#include <cmath>
#include <cstddef>
#include <random>
#include <vector>

#include "tests/models/forecast/processes.h"

namespace truce {

// Quiet, then for a while restless, again and again.
inline std::vector<double> RestlessAtTimes(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<double> series = Noise(count, seed + 1);
  bool restless = false;
  for (double& value : series) {
    if (random() % 50 == 0) restless = !restless;
    value = 20 + (restless ? 10 : 0.5) * value;
  }
  return series;
}

// Jobs that come at random, each between 1 and 2 * `mean_steps` long and of a size of its own, above noise.
inline std::vector<double> Jobs(size_t count, double a_step, size_t mean_steps, double noise, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> even(0, 1);
  std::vector<double> series = Noise(count, seed + 1);
  for (double& value : series) value = 1 + noise * value;
  for (size_t i = 0; i < count; ++i) {
    if (even(random) >= a_step) continue;
    const size_t steps = 1 + random() % (2 * mean_steps);
    const double size = 2 + 4 * even(random);
    for (size_t j = i; j < std::min(count, i + steps); ++j) series[j] += size;
  }
  return series;
}

// What writes `gain` x `leader` of `lag` steps ago, each step of it early or late by up to `jitter` steps, above noise.
inline std::vector<double> Follow(const std::vector<double>& leader, size_t lag, double gain, size_t jitter,
                                  double noise, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<double> series = Noise(leader.size(), seed + 1);
  long late = 0;
  for (size_t i = 0; i < series.size(); ++i) {
    if (random() % 10 == 0) late = static_cast<long>(random() % (2 * jitter + 1)) - static_cast<long>(jitter);
    const long from = static_cast<long>(i) - static_cast<long>(lag) - late;
    const double came = from >= 0 && from < static_cast<long>(leader.size()) ? leader[static_cast<size_t>(from)] : 1;
    series[i] = 100 + gain * came + gain * noise * series[i];
  }
  return series;
}

}  // namespace truce
