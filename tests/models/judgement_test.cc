// Figures of merit, against values worked out by hand.
#include "models/judgement.h"

#include <gtest/gtest.h>

#include <cmath>

namespace truce {
namespace {

TEST(JudgementTest, AucIsTheChanceThatAPositiveIsAhead) {
  EXPECT_DOUBLE_EQ(Auc({0.1, 0.4, 0.35, 0.8}, {false, false, true, true}), 0.75);
  EXPECT_DOUBLE_EQ(Auc({1, 2, 3}, {false, true, true}), 1);
  EXPECT_DOUBLE_EQ(Auc({5, 5, 5, 5}, {false, true, true, false}), 0.5) << "ties count half";
  EXPECT_TRUE(std::isnan(Auc({1, 2}, {true, true})));
  EXPECT_TRUE(std::isnan(Auc({}, {})));
}

TEST(JudgementTest, BrierAndAbsoluteError) {
  EXPECT_DOUBLE_EQ(BrierScore({1, 0.5, 0}, {true, false, true}), (0 + 0.25 + 1) / 3);
  EXPECT_DOUBLE_EQ(MeanAbsoluteError({1, 2}, {0, 4}), 1.5);
  EXPECT_TRUE(std::isnan(BrierScore({}, {})));
}

TEST(JudgementTest, SpearmanLooksAtRanksOnly) {
  EXPECT_DOUBLE_EQ(SpearmanCorrelation({1, 2, 3, 4}, {1, 10, 100, 1000}), 1);
  EXPECT_DOUBLE_EQ(SpearmanCorrelation({1, 2, 3}, {3, 2, 1}), -1);
  // Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4.
  EXPECT_NEAR(SpearmanCorrelation({1, 2, 2, 3}, {1, 2, 3, 4}), 4.5 / std::sqrt(4.5 * 5), 1e-12);
  EXPECT_TRUE(std::isnan(SpearmanCorrelation({1, 1}, {1, 2})));
  EXPECT_TRUE(std::isnan(SpearmanCorrelation({1}, {1})));
}

TEST(JudgementTest, TheBootstrapDrawsGroups) {
  // A hundred items in two groups: the mean can only be 0, 0.5 or 1, however many items there are.
  std::vector<size_t> groups;
  for (size_t i = 0; i < 100; ++i) groups.push_back(i % 2);
  const auto mean = [&](const std::vector<size_t>& positions) {
    double sum = 0;
    for (const size_t position : positions) sum += static_cast<double>(groups[position]);
    return sum / static_cast<double>(positions.size());
  };
  const Interval interval = BootstrapInterval(groups, mean, 500, 3);
  EXPECT_DOUBLE_EQ(interval.low, 0);
  EXPECT_DOUBLE_EQ(interval.high, 1);
  EXPECT_TRUE(std::isnan(BootstrapInterval({}, mean, 10, 1).low));
}

}  // namespace
}  // namespace truce
