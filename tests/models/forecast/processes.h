// Series of processes that are known, for tests of what is made of them.
#pragma once

#include <cmath>
#include <limits>
#include <numbers>
#include <random>
#include <vector>

namespace truce {

inline constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

// Normal noise, mean 0, variance 1.
inline std::vector<double> Noise(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> noise;
  for (size_t i = 0; i < count; ++i) noise.push_back(normal(random));
  return noise;
}

// level + an ARMA process of lag-1 and lag-2 autoregression and lag-1 moving average.
inline std::vector<double> Arma(size_t count, double ar1, double ar2, double ma1, double level, unsigned seed) {
  constexpr size_t kWarmUp = 200;
  const std::vector<double> noise = Noise(count + kWarmUp, seed);
  std::vector<double> x(noise.size());
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = noise[i];
    if (i >= 1) x[i] += ar1 * x[i - 1] + ma1 * noise[i - 1];
    if (i >= 2) x[i] += ar2 * x[i - 2];
  }
  std::vector<double> series(x.begin() + kWarmUp, x.end());
  for (double& value : series) value += level;
  return series;
}

inline std::vector<double> Sums(std::vector<double> values, double drift = 0) {
  double sum = 0;
  for (double& value : values) value = sum += value + drift;
  return values;
}

// level + amplitude x a sine of this period + noise.
inline std::vector<double> Wave(size_t count, size_t period, double amplitude, double level, unsigned seed) {
  std::vector<double> series = Noise(count, seed);
  for (size_t i = 0; i < count; ++i) {
    const double turn = static_cast<double>(i % period) / static_cast<double>(period);
    series[i] += level + amplitude * std::sin(2 * std::numbers::pi * turn);
  }
  return series;
}

// A quiet level with rare, high spikes: what many idle machines' CPU looks like.
inline std::vector<double> Spikes(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<double> series;
  for (size_t i = 0; i < count; ++i) {
    const double even = static_cast<double>(random() % 1000) / 1000;
    series.push_back(random() % 40 == 0 ? 60 + 30 * even : 2 + even);
  }
  return series;
}

}  // namespace truce
