// What the detector must and must not raise alarms for.
#include "models/anomaly/anomaly_detector.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

namespace truce {
namespace {

constexpr double kSpacing = 300;
constexpr int kDay = 288;

std::vector<double> Scores(const std::vector<double>& values, double begin = 1.4e9) {
  AnomalyDetector detector;
  std::vector<double> scores;
  for (size_t i = 0; i < values.size(); ++i) {
    scores.push_back(detector.Observe(begin + kSpacing * static_cast<double>(i), values[i]));
  }
  return scores;
}

// Positions from `begin` on, before `end`, that are alarms.
std::vector<int> Alarms(const std::vector<double>& scores, int begin, int end) {
  std::vector<int> alarms;
  for (int i = begin; i < end; ++i) {
    if (scores[static_cast<size_t>(i)] >= AnomalyDetector::kThreshold) alarms.push_back(i);
  }
  return alarms;
}

std::vector<double> Series(int days, const std::function<double(int index, double noise)>& value, uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> values;
  for (int i = 0; i < days * kDay; ++i) values.push_back(value(i, normal(random)));
  return values;
}

double DailyWave(int i) {
  return 40 + 20 * std::sin(2 * M_PI * i / kDay);
}

TEST(AnomalyDetectorTest, AConstantSeriesNeverAlarms) {
  for (const double score : Scores(Series(30, [](int, double) { return 42.0; }))) {
    EXPECT_GE(score, 0);
    EXPECT_LT(score, 0.01);
  }
}

TEST(AnomalyDetectorTest, TheFirstChangeOfAConstantSeriesAlarms) {
  const int change = 10 * kDay;
  const auto scores = Scores(Series(12, [&](int i, double) { return i < change ? 42.0 : 60.0; }));
  const auto alarms = Alarms(scores, 0, 12 * kDay);
  ASSERT_FALSE(alarms.empty());
  EXPECT_GE(alarms.front(), change);
  EXPECT_LE(alarms.front(), change + 2);
}

TEST(AnomalyDetectorTest, AJumpAlarmsAtOnceAndOnceAndThenIsUsual) {
  for (const double jump : {30.0, -30.0}) {
    const int at = 8 * kDay;
    const auto scores = Scores(Series(16, [&](int i, double noise) { return 50 + 2 * noise + (i < at ? 0 : jump); }));
    const auto alarms = Alarms(scores, at, at + kDay);
    ASSERT_FALSE(alarms.empty()) << jump;
    EXPECT_LE(alarms.front(), at + 3) << jump;
    EXPECT_LE(alarms.size(), 3) << jump;
    EXPECT_LE(Alarms(scores, at + 3 * kDay, 16 * kDay).size(), 1) << "the new level is usual by then, " << jump;
  }
}

TEST(AnomalyDetectorTest, ASpikeAlarmsAndOneThatComesDailyDoesNot) {
  const int at = 9 * kDay + 100;
  const auto once = Scores(Series(12, [&](int i, double noise) { return 2 + 0.1 * noise + (i == at ? 40 : 0); }));
  EXPECT_FALSE(Alarms(once, at, at + 2).empty());
  const auto daily =
      Scores(Series(21, [](int i, double noise) { return 2 + 0.1 * noise + (i % kDay == 100 ? 40 + noise : 0); }));
  EXPECT_LE(Alarms(daily, 7 * kDay, 21 * kDay).size(), 2);
}

TEST(AnomalyDetectorTest, ASlowDriftIsFollowed) {
  // A tenth of the noise a day.
  const auto scores = Scores(Series(28, [](int i, double noise) { return 100 + 0.5 * i / kDay + 5 * noise; }));
  EXPECT_LE(Alarms(scores, 0, 28 * kDay).size(), 4) << "one a week";
}

TEST(AnomalyDetectorTest, AMissingPeakOfADailyHabitAlarms) {
  const int missing = 12 * kDay;
  const auto values = Series(14, [&](int i, double noise) {
    const bool peak = i % kDay < kDay / 2;
    return i >= missing && i < missing + kDay && peak ? 40 + noise : DailyWave(i) + noise;
  });
  const auto alarms = Alarms(Scores(values), missing, missing + kDay / 2);
  ASSERT_FALSE(alarms.empty());
  // The same without the missing peak.
  const auto usual = Scores(Series(14, [](int i, double noise) { return DailyWave(i) + noise; }));
  EXPECT_LE(Alarms(usual, 0, 14 * kDay).size(), 2);
}

TEST(AnomalyDetectorTest, MissingValuesScoreNothingAndHideNothing) {
  const int at = 9 * kDay;
  auto values = Series(10, [&](int i, double noise) { return 50 + noise + (i < at ? 0 : 40); });
  for (size_t i = 0; i < values.size(); ++i) {
    const bool gap = i % 50 == 7 || (i > 5 * kDay && i < 6 * kDay) || (i > at - 20 && i < at);
    if (gap) values[i] = std::numeric_limits<double>::quiet_NaN();
  }
  values[3] = std::numeric_limits<double>::infinity();
  const auto scores = Scores(values);
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      EXPECT_EQ(scores[i], 0) << i;
    }
  }
  EXPECT_LE(Alarms(scores, 0, at).size(), 1);
  EXPECT_FALSE(Alarms(scores, at, at + 3).empty());
}

TEST(AnomalyDetectorTest, AGapIsTheSameAsSamplesWithoutValues) {
  const auto values = Series(8, [](int i, double noise) { return DailyWave(i) + noise; });
  AnomalyDetector with;
  AnomalyDetector without;
  for (int i = 0; i < 8 * kDay; ++i) {
    const bool gap = i % 100 == 50 || (i > 4 * kDay && i < 5 * kDay);
    const double score = with.Observe(i * kSpacing, gap ? NAN : values[static_cast<size_t>(i)]);
    if (!gap) {
      ASSERT_NEAR(score, without.Observe(i * kSpacing, values[static_cast<size_t>(i)]), 0.02) << i;
    }
  }
}

TEST(AnomalyDetectorTest, TheUnitOfValuesAndTheirOffsetDoNotMatter) {
  const auto values = Series(10, [](int i, double noise) { return 5 + noise + (i == 9 * kDay ? 60 : 0); });
  const auto plain = Scores(values);
  for (const double scale : {1e-12, 1024.0, 1e15}) {
    auto scaled = values;
    for (double& value : scaled) value *= scale;
    const auto scores = Scores(scaled);
    for (size_t i = 0; i < scores.size(); ++i) ASSERT_NEAR(scores[i], plain[i], 1e-3) << scale << " at " << i;
  }
}

TEST(AnomalyDetectorTest, AnAbsurdValueDoesNotBlindForLong) {
  const int at = 12 * kDay;
  const auto scores =
      Scores(Series(13, [&](int i, double noise) { return i == 8 * kDay ? 1e300 : 50 + noise + (i < at ? 0 : -30); }));
  EXPECT_FALSE(Alarms(scores, 8 * kDay, 8 * kDay + 1).empty());
  EXPECT_FALSE(Alarms(scores, at, at + 12).empty());
}

TEST(AnomalyDetectorTest, NothingAlarmsWhileItLearns) {
  const auto scores = Scores(Series(2, [](int i, double noise) { return i == kDay ? 1e6 : noise; }));
  EXPECT_TRUE(Alarms(scores, 0, 2 * kDay).empty());
}

TEST(AnomalyDetectorTest, SamplesEverySecondAreFineToo) {
  AnomalyDetector detector;
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal;
  int alarms = 0;
  constexpr int kSeconds = 3 * 86400;
  for (int i = 0; i < kSeconds; ++i) {
    alarms += detector.Observe(i, 50 + normal(random)) >= AnomalyDetector::kThreshold ? 1 : 0;
  }
  EXPECT_LE(alarms, 1);
  EXPECT_GE(detector.Observe(kSeconds, 200), AnomalyDetector::kThreshold);
}

RC_GTEST_PROP(AnomalyDetectorTest, ScoresAreWithinZeroAndOneAndTheSameAgain,
              (const std::vector<std::pair<double, double>>& steps)) {
  AnomalyDetector first;
  AnomalyDetector second;
  double time = 0;
  for (const auto& [elapsed, value] : steps) {
    time += elapsed;
    const double score = first.Observe(time, value);
    RC_ASSERT(score >= 0 && score <= 1);
    RC_ASSERT(second.Observe(time, value) == score);
  }
}

}  // namespace
}  // namespace truce
