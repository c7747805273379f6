// Seasons: found where they are, and nowhere else.
#include "models/forecast/season.h"

#include <gtest/gtest.h>

#include <cmath>

#include "models/forecast/seasonal_strength.h"
#include "tests/models/forecast/processes.h"

namespace truce {
namespace {

constexpr size_t kDays[] = {288, 1440};

TEST(SeasonTest, FindsTheDayOfFiveMinutesAndOfOne) {
  for (const size_t day : kDays) {
    const std::vector<double> values = Wave(5 * day, day, 2, 10, 1);
    EXPECT_EQ(FindSeason(values, kDays).period, day);
  }
}

TEST(SeasonTest, FindsAPeriodThatNobodyNamed) {
  for (const size_t period : {7u, 24u, 100u, 288u}) {
    const size_t found = FindSeason(Wave(std::max<size_t>(8 * period, 300), period, 3, 0, 2)).period;
    EXPECT_NEAR(static_cast<double>(found), static_cast<double>(period), 0.02 * static_cast<double>(period) + 0.5);
  }
}

TEST(SeasonTest, FindsADayOfMinutesThatNobodyNamed) {
  EXPECT_NEAR(static_cast<double>(FindSeason(Wave(7 * 1440, 1440, 3, 0, 2)).period), 1440, 3);
}

TEST(SeasonTest, SeesOneThroughGapsAndTrends) {
  std::vector<double> values = Wave(6 * 288, 288, 2, 0, 3);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] += 0.01 * static_cast<double>(i);
    if (i % 7 == 0 || (i > 600 && i < 700)) values[i] = kMissing;
  }
  EXPECT_EQ(FindSeason(values, kDays).period, 288u);
}

TEST(SeasonTest, SeesAJobThatRunsOnceADay) {
  std::vector<double> values = Noise(6 * 288, 3);
  for (size_t i = 100; i < values.size(); i += 288)
    for (size_t step = 0; step < 12; ++step) values[i + step] += 20;
  EXPECT_EQ(FindSeason(values, kDays).period, 288u);
  const SeasonProfile profile(values, 288);
  EXPECT_GT(profile.At(105), 15);
  EXPECT_LT(std::fabs(profile.At(50)), 2);
}

// 200 series of each kind without a season. One in a hundred may be taken for one by chance; many more would mean that
// the test does not know what chance is.
TEST(SeasonTest, SaysNoneWhereThereIsNone) {
  int wrong = 0, wrong_search = 0, count = 0;
  for (unsigned seed = 0; seed < 50; ++seed) {
    for (const std::vector<double>& values :
         {Noise(1500, seed), Sums(Noise(1500, seed)), Arma(1500, 0.95, 0, 0, 0, seed), Spikes(1500, seed)}) {
      const size_t periods[] = {288};
      if (FindSeason(values, periods)) ++wrong;
      if (FindSeason(values)) ++wrong_search;
      ++count;
    }
  }
  EXPECT_LE(wrong, 6) << "of " << count;
  EXPECT_LE(wrong_search, 6) << "of " << count;
}

TEST(SeasonTest, NeedsTwoPeriodsAndSomeVariation) {
  EXPECT_FALSE(FindSeason(Wave(500, 288, 5, 0, 1), kDays));
  EXPECT_FALSE(FindSeason(std::vector<double>(2000, 4), kDays));
  EXPECT_FALSE(FindSeason(std::vector<double>(2000, kMissing), kDays));
  EXPECT_FALSE(FindSeason(std::vector<double>{}));
  EXPECT_FALSE(FindSeason(std::vector<double>{1, 2, 1}));
}

TEST(SeasonTest, TheProfileIsTheShapeAndKeepsItsPhase) {
  // 14 newest periods are learned from; the phase still counts from the first value.
  const std::vector<double> values = Wave(20 * 288 + 100, 288, 5, 40, 6);
  const SeasonProfile profile(values, 288);
  double worst = 0;
  for (size_t i = 0; i < 288; ++i)
    worst =
        std::max(worst, std::fabs(profile.At(i) - 5 * std::sin(2 * std::numbers::pi * static_cast<double>(i) / 288)));
  EXPECT_LT(worst, 0.6);
}

TEST(SeasonTest, OfNoiseLittleIsLeft) {
  const SeasonProfile profile(Noise(4 * 288, 6), 288);
  double squares = 0;
  for (size_t i = 0; i < 288; ++i) squares += profile.At(i) * profile.At(i) / 288;
  // The means of four values of noise have a variance of a quarter.
  EXPECT_LT(squares, 0.1);
  EXPECT_EQ(SeasonProfile(Noise(10, 1), 1).At(3), 0);
}

TEST(SeasonalStrengthTest, StlTakesASeriesApart) {
  std::vector<double> values = Wave(144, 12, 5, 0, 1);
  for (size_t i = 0; i < values.size(); ++i) values[i] += 0.1 * static_cast<double>(i);
  const Decomposition parts = Stl(values, 12);
  for (size_t i = 24; i < 120; ++i) {
    EXPECT_NEAR(parts.season[i] + parts.trend[i] + parts.rest[i], values[i], 1e-9);
    EXPECT_NEAR(parts.season[i], 5 * std::sin(2 * std::numbers::pi * static_cast<double>(i % 12) / 12), 1.5);
    EXPECT_NEAR(parts.trend[i], 0.1 * static_cast<double>(i), 1);
  }
  EXPECT_GT(SeasonalStrength(values, 12), 0.85);
  EXPECT_LT(SeasonalStrength(Noise(144, 1), 12), 0.64);
}

}  // namespace
}  // namespace truce
