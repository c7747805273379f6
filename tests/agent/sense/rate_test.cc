// Totals into rates: the first total and a reset give none, so that no made-up number enters a baseline.
#include <gtest/gtest.h>

#include "agent/sense/workload.h"

namespace truce::agent {
namespace {

TEST(RateOfTest, IsGrowthPerSecond) {
  RateOf rate;
  EXPECT_EQ(rate.Update(1000, absl::Seconds(10)), std::nullopt) << "one total is no rate";
  EXPECT_EQ(rate.Update(1500, absl::Seconds(12)), 250.0);
  EXPECT_EQ(rate.Update(1500, absl::Milliseconds(12500)), 0.0);
}

TEST(RateOfTest, AResetStartsAnew) {
  RateOf rate;
  rate.Update(1000, absl::Seconds(1));
  EXPECT_EQ(rate.Update(400, absl::Seconds(2)), std::nullopt);
  EXPECT_EQ(rate.Update(500, absl::Seconds(3)), 100.0);
}

TEST(RateOfTest, NoTimePassedIsNoRate) {
  RateOf rate;
  rate.Update(1, absl::Seconds(1));
  EXPECT_EQ(rate.Update(2, absl::Seconds(1)), std::nullopt);
}

TEST(RateOfTest, LargeTotalsKeepTheirPrecision) {
  RateOf rate;
  rate.Update(uint64_t{1} << 62, absl::Seconds(1));
  EXPECT_EQ(rate.Update((uint64_t{1} << 62) + 3, absl::Seconds(2)), 3.0);
}

}  // namespace
}  // namespace truce::agent
