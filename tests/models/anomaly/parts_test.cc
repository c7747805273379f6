// What the detector is made of: quantile, tail, habit, bar.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "models/anomaly/alarm_bar.h"
#include "models/anomaly/daily_habit.h"
#include "models/anomaly/running_quantile.h"
#include "models/anomaly/tail.h"

namespace truce {
namespace {

TEST(RunningQuantileTest, BalancesAtTheQuantile) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> uniform(0, 1);
  RunningQuantile quantile(0.9);
  for (int i = 0; i < 20000; ++i) quantile.Add(uniform(random), 0.01);
  EXPECT_NEAR(quantile.value(), 0.9, 0.05);
}

TEST(RunningQuantileTest, NeverStepsPastAValue) {
  RunningQuantile quantile(0.5);
  quantile.Start(10);
  quantile.Add(11, 1e9);
  EXPECT_DOUBLE_EQ(quantile.value(), 11);
  quantile.Add(3, 1e9);
  EXPECT_DOUBLE_EQ(quantile.value(), 3);
}

TEST(TailTest, SignificanceOfANormalStreamIsAboutItsRarity) {
  std::mt19937_64 random(2);
  std::normal_distribution<double> normal;
  Tail tail;
  for (int i = 0; i < 20000; ++i) tail.Add(normal(random));
  EXPECT_NEAR(tail.threshold(), 1.88, 0.25) << "the 97 % quantile";
  EXPECT_EQ(tail.Significance(0), 0);
  const double one_in_a_thousand = tail.Significance(3.09);
  EXPECT_GT(one_in_a_thousand, std::log(1000) - 1.2);
  EXPECT_LT(one_in_a_thousand, std::log(1000) + 1.5);
  EXPECT_GT(tail.Significance(6), one_in_a_thousand + 3) << "what was never seen is extrapolated";
  EXPECT_LT(tail.Significance(6), 25);
}

TEST(TailTest, GrowsWithTheValue) {
  std::mt19937_64 random(3);
  std::exponential_distribution<double> exponential;
  Tail tail;
  for (int i = 0; i < 5000; ++i) tail.Add(exponential(random));
  double before = 0;
  for (double value = 0; value < 30; value += 0.5) {
    EXPECT_GE(tail.Significance(value), before - 1.0) << value;
    before = tail.Significance(value);
  }
  EXPECT_GT(before, 10);
}

TEST(TailTest, WhatComesBackIsCounted) {
  Tail tail;
  // One value in a hundred is 50.
  for (int i = 0; i < 3000; ++i) tail.Add(i % 100 == 99 ? 50 : i % 7);
  EXPECT_NEAR(tail.Significance(50), std::log(100), 1.0);
}

TEST(DailyHabitTest, LeavesAHabitOutAndNothingElse) {
  DailyHabit habit;
  double left = 0;
  for (int i = 0; i < 288 * 8; ++i) {
    const double wave = std::sin(2 * M_PI * i / 288);
    left = habit.Beyond(i * 300.0, wave, 0.01);
  }
  EXPECT_NEAR(left, 0, 0.15);
  EXPECT_NEAR(habit.Beyond(288 * 8 * 300.0 + 6 * 3600, 0, 0.01), -1, 0.15) << "at six the wave is at its peak";

  DailyHabit none;
  std::mt19937_64 random(4);
  std::normal_distribution<double> normal;
  for (int i = 0; i < 288 * 8; ++i) {
    const double value = normal(random);
    EXPECT_EQ(none.Beyond(i * 300.0, value, 0.01), value);
  }
}

TEST(AlarmBarTest, AQuietWeekLowersWhatAnAlarmRaised) {
  constexpr double kSpacing = 300;
  AlarmBar bar;
  bar.Pass(kSpacing, kSpacing);
  const double lowest = bar.Height();
  EXPECT_NEAR(lowest, std::log(2016 / 0.4), 1e-9) << "0.4 by chance out of 2016 samples a week";
  EXPECT_FALSE(bar.Judge(lowest - 0.01));
  EXPECT_TRUE(bar.Judge(lowest + 0.01));
  EXPECT_NEAR(bar.Height(), lowest + 0.01 + 3, 1e-9) << "the same event";
  for (int i = 0; i < 36; ++i) bar.Pass(0, kSpacing);
  EXPECT_NEAR(bar.Height(), lowest + AlarmBar::kRaise, 1e-9);
  bar.Pass(7 * 86400, kSpacing);
  EXPECT_NEAR(bar.Height(), lowest + AlarmBar::kRaise * (1 - AlarmBar::kAlarmsAWeek), 1e-9);
  bar.Pass(7 * 86400, kSpacing);
  EXPECT_NEAR(bar.Height(), lowest, 1e-9);
}

TEST(AlarmBarTest, LetsFewThroughWhateverComes) {
  constexpr int kWeeks = 20;
  AlarmBar bar;
  int alarms = 0;
  // Everything is as significant as can be.
  for (int i = 0; i < 2016 * kWeeks; ++i) {
    bar.Pass(300, 300);
    alarms += bar.Judge(14) ? 1 : 0;
  }
  EXPECT_LE(alarms, kWeeks * AlarmBar::kAlarmsAWeek + (14 - std::log(2016 / 0.4)) / AlarmBar::kRaise + 1);
  EXPECT_GE(alarms, kWeeks * AlarmBar::kAlarmsAWeek - 1);
}

}  // namespace
}  // namespace truce
