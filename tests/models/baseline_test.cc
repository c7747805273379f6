// The baseline: what is usual, learned one value at a time. Everything that Truce calls an outlier hangs on it.
#include "models/baseline.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace truce {
namespace {

TEST(BaselineTest, EqualsPlainMeanAndVarianceUntilItsMemoryIsFull) {
  std::mt19937 random(7);
  std::normal_distribution<double> normal(5, 2);
  Baseline baseline(100);
  std::vector<double> values;
  for (int i = 0; i < 100; ++i) {
    values.push_back(normal(random));
    baseline.Learn(values.back());
    double mean = 0;
    for (double value : values) mean += value / static_cast<double>(values.size());
    double variance = 0;
    for (double value : values) variance += (value - mean) * (value - mean) / static_cast<double>(values.size());
    ASSERT_NEAR(baseline.mean(), mean, 1e-9) << i;
    ASSERT_NEAR(baseline.stddev(), std::sqrt(variance), 1e-9) << i;
  }
  EXPECT_EQ(baseline.count(), 100u);
}

TEST(BaselineTest, ForgetsWithItsMemoryOnceFull) {
  Baseline baseline(100);
  for (int i = 0; i < 1000; ++i) baseline.Learn(1);
  for (int i = 0; i < 100; ++i) baseline.Learn(2);
  // An exponential memory of 100 has kept (1 - 1/100)^100 of the old level.
  EXPECT_NEAR(baseline.mean(), 2 - std::pow(0.99, 100), 1e-9);
  for (int i = 0; i < 1000; ++i) baseline.Learn(2);
  EXPECT_NEAR(baseline.mean(), 2, 1e-3);
  EXPECT_NEAR(baseline.stddev(), 0, 0.02);
}

TEST(BaselineTest, TheFloorKeepsAFlickerFromBeingAnOutlier) {
  Baseline baseline(100, 0.02);
  for (int i = 0; i < 50; ++i) baseline.Learn(1);
  EXPECT_EQ(baseline.stddev(), 0.02);
  EXPECT_DOUBLE_EQ(baseline.Threshold(2), 1.04);
  EXPECT_NEAR(baseline.Deviation(1.04), 2, 1e-9);
  EXPECT_NEAR(baseline.Deviation(0.98), -1, 1e-9);
}

TEST(BaselineTest, AValueThatIsNoNumberIsNotLearned) {
  Baseline baseline;
  baseline.Learn(1);
  baseline.Learn(std::numeric_limits<double>::quiet_NaN());
  baseline.Learn(std::numeric_limits<double>::infinity());
  EXPECT_EQ(baseline.count(), 1u);
  EXPECT_EQ(baseline.mean(), 1);
}

}  // namespace
}  // namespace truce
