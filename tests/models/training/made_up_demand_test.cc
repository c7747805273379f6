// What a demand LSTM learns from before there is any history.
#include "models/training/made_up_demand.h"

#include <gtest/gtest.h>

#include <cmath>

namespace truce {
namespace {

TEST(MadeUpDemandTest, IsTheSameForASeedAndNeverNegativeOrWithoutAValue) {
  const auto one = MakeUpDemand(200, 300, 7);
  const auto other = MakeUpDemand(200, 300, 7);
  const auto third = MakeUpDemand(200, 300, 8);
  int gaps = 0, same = 0;
  for (size_t i = 0; i < one.size(); ++i) {
    ASSERT_EQ(one[i].values.size(), 300u);
    int known = 0;
    for (size_t k = 0; k < 300; ++k) {
      const double value = one[i].values[k];
      if (std::isnan(value)) {
        ++gaps;
        EXPECT_TRUE(std::isnan(other[i].values[k]));
        continue;
      }
      ++known;
      EXPECT_TRUE(std::isfinite(value));
      EXPECT_GE(value, 0);
      EXPECT_EQ(value, other[i].values[k]);
      same += value == third[i].values[k] ? 1 : 0;
    }
    EXPECT_GT(known, 200);
    EXPECT_EQ(one[i].season_steps, other[i].season_steps);
  }
  EXPECT_GT(gaps, 0);
  EXPECT_LT(same, 200 * 300 / 10) << "another seed, other series";
}

TEST(MadeUpDemandTest, HoldsQuietAndRestlessSeriesWithAndWithoutASeason) {
  int seasons = 0, quiet = 0, spiky = 0;
  for (const MadeUpDemand& made : MakeUpDemand(400, 300, 3)) {
    seasons += made.season_steps > 0 ? 1 : 0;
    double most = 0, sum = 0, count = 0;
    for (const double value : made.values) {
      if (std::isnan(value)) continue;
      most = std::max(most, value);
      sum += value;
      ++count;
    }
    quiet += most < 2 * sum / count ? 1 : 0;
    spiky += most > 8 * sum / count ? 1 : 0;
  }
  EXPECT_GT(seasons, 100);
  EXPECT_LT(seasons, 350);
  EXPECT_GT(quiet, 30);
  EXPECT_GT(spiky, 30);
}

}  // namespace
}  // namespace truce
