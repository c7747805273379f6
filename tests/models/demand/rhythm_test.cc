#include "models/demand/rhythm.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace truce {
namespace {

struct Shape {
  double period = 60;
  double length = 10;
  double low = 0.1;
  double high = 1.5;
  double noise = 0.05;
  // Standard deviation of when a burst begins, in samples.
  double jitter = 0;
};

// Bursts of a shape; values and the samples at which they begin.
struct Series {
  std::vector<double> values;
  std::vector<size_t> begins;
};

Series Bursts(const Shape& shape, size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> noise(0, shape.noise);
  std::normal_distribution<double> jitter(0, 1);
  Series series;
  double begin = shape.period / 2;
  for (size_t i = 0; i < count; ++i) {
    const double burst_at = series.begins.empty() ? begin : static_cast<double>(series.begins.back());
    const bool due = static_cast<double>(i) >= begin;
    if (due) {
      series.begins.push_back(i);
      begin += shape.period + shape.jitter * jitter(random);
    }
    const bool inside = due || (!series.begins.empty() && static_cast<double>(i) < burst_at + shape.length);
    series.values.push_back(std::max(0.0, (inside ? shape.high : shape.low) * (1 + noise(random))));
  }
  return series;
}

// Of the bursts after the fifth, the share that was foretold at least 5 samples ahead and within 12.
double ForetoldInTime(const Series& series) {
  Rhythm rhythm;
  std::vector<double> told(series.values.size(), -1);
  for (size_t i = 0; i < series.values.size(); ++i) {
    rhythm.Observe(series.values[i]);
    const auto next = rhythm.Next(10);
    if (next && next->begins_in >= 0) told[i] = next->peak;
  }
  int all = 0;
  int in_time = 0;
  for (size_t burst = 5; burst < series.begins.size(); ++burst) {
    ++all;
    const size_t begin = series.begins[burst];
    for (size_t lead = 5; lead <= 12; ++lead) {
      if (begin >= lead && told[begin - lead] > 0) {
        ++in_time;
        break;
      }
    }
  }
  return static_cast<double>(in_time) / all;
}

TEST(RhythmTest, ForetellsBurstsThatComeBack) {
  EXPECT_GE(ForetoldInTime(Bursts({}, 1'200, 1)), 0.95);
  EXPECT_GE(ForetoldInTime(Bursts({.period = 30.4, .length = 6}, 1'200, 2)), 0.95) << "no whole number of samples";
  EXPECT_GE(ForetoldInTime(Bursts({.period = 90, .length = 30, .jitter = 1}, 2'000, 3)), 0.95);
  EXPECT_GE(ForetoldInTime(Bursts({.period = 240, .length = 15, .jitter = 3}, 4'000, 4)), 0.8);
}

TEST(RhythmTest, SaysHowHighAndHowOften) {
  Rhythm rhythm;
  const Series series = Bursts({}, 600, 7);
  for (const double value : series.values) rhythm.Observe(value);
  // The last one began at 570.
  const auto next = rhythm.Next(60);
  ASSERT_TRUE(next);
  EXPECT_NEAR(next->begins_in, 31, 2);
  EXPECT_NEAR(next->period, 60, 1);
  EXPECT_NEAR(next->peak, 1.6, 0.1);
  EXPECT_GE(next->seen, 8);
  EXPECT_FALSE(rhythm.Next(10)) << "not within ten samples";
}

TEST(RhythmTest, BurstsInTurnsAreForetoldToo) {
  Rhythm rhythm;
  int foretold = 0;
  int bursts = 0;
  for (int i = 0; i < 1'600; ++i) {
    const int phase = i % 80;
    rhythm.Observe(phase < 5 || (phase >= 20 && phase < 25) ? 2 : 0.2);
    if (i < 800 || (phase != 79 - 6 && phase != 20 - 6)) continue;
    ++bursts;
    const auto next = rhythm.Next(10);
    if (next && std::fabs(next->begins_in - 7) <= 2) ++foretold;
  }
  EXPECT_GE(foretold, bursts - 1);
}

TEST(RhythmTest, AWorkloadWithoutRhythmIsNotGivenOne) {
  std::mt19937 random(5);
  std::exponential_distribution<double> gap(1.0 / 60);
  Rhythm rhythm;
  int told = 0;
  double next = gap(random);
  double until = 0;
  for (int i = 0; i < 20'000; ++i) {
    if (i >= next) {
      until = i + 8;
      next = i + 8 + gap(random);
    }
    rhythm.Observe(i < until ? 1.5 : 0.1);
    const auto burst = rhythm.Next(10);
    if (burst && burst->begins_in > 0) ++told;
  }
  EXPECT_LE(told, 20'000 / 50);

  Rhythm steady;
  for (int i = 0; i < 5'000; ++i) {
    steady.Observe(1 + 0.05 * std::sin(i * 0.7) + 0.02 * std::cos(i * 1.3));
    EXPECT_FALSE(steady.Next(30));
  }
}

TEST(RhythmTest, EndsWhenTheBurstsEnd) {
  Rhythm rhythm;
  for (const double value : Bursts({}, 600, 9).values) rhythm.Observe(value);
  ASSERT_TRUE(rhythm.Next(60));
  for (int i = 0; i < 60; ++i) rhythm.Observe(0.1);
  EXPECT_FALSE(rhythm.Next(60)) << "the one that was expected did not come";
}

RC_GTEST_PROP(RhythmTest, WhateverComesNothingBreaks, (const std::vector<double>& values)) {
  Rhythm rhythm;
  for (int round = 0; round < 8; ++round) {
    for (const double value : values) {
      rhythm.Observe(value);
      rhythm.Observe(std::numeric_limits<double>::quiet_NaN());
      const auto next = rhythm.Next(30);
      if (!next) continue;
      RC_ASSERT(std::isfinite(next->begins_in) && std::isfinite(next->period));
      RC_ASSERT(next->begins_in <= 30);
      RC_ASSERT(next->seen >= Rhythm::kLeastSeen);
    }
  }
}

}  // namespace
}  // namespace truce
