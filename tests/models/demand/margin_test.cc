#include "models/demand/margin.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <limits>

namespace truce {
namespace {

TEST(MarginTest, AddsUpFromItsParts) {
  const AdjustedDemand quiet = Adjust({.newest = 1, .peak_p95 = 2, .spread = 0.5}, {});
  EXPECT_DOUBLE_EQ(quiet.demand, 2);
  const AdjustedDemand risky = Adjust({.newest = 1, .peak_p95 = 2, .spread = 0.5, .risk = 0.4}, {});
  EXPECT_DOUBLE_EQ(risky.by_risk, 0.2);
  EXPECT_DOUBLE_EQ(risky.demand, 2.2);
  const AdjustedDemand surprised = Adjust({.newest = 1, .peak_p95 = 2, .spread = 0.5, .surprised = true}, {});
  EXPECT_DOUBLE_EQ(surprised.by_surprise, 0.5);
  const AdjustedDemand flat = Adjust({.newest = 2, .peak_p95 = 2, .spread = 0, .surprised = true}, {});
  EXPECT_DOUBLE_EQ(flat.by_surprise, 0.2) << "a band without width is not believed either";
}

TEST(MarginTest, ADriftsIncreaseIsDampedByTheHostsLoad) {
  const DemandOutlook outlook{.newest = 2, .peak_p95 = 2, .drift_factor = 1.5, .utilisation = 0.75};
  EXPECT_DOUBLE_EQ(Adjust(outlook, {}).by_drift, 0.25);
  DemandOutlook falling = outlook;
  falling.drift_factor = 0.5;
  EXPECT_DOUBLE_EQ(Adjust(falling, {}).by_drift, 0);
}

TEST(MarginTest, LimitsHold) {
  const AdjustedDemand capped = Adjust({.newest = 1, .peak_p95 = 5}, {.least = 0.5, .most = 3});
  EXPECT_DOUBLE_EQ(capped.demand, 3);
  EXPECT_TRUE(capped.limited);
  const AdjustedDemand floored = Adjust({.newest = 0, .peak_p95 = 0.1}, {.least = 0.5, .most = 3});
  EXPECT_DOUBLE_EQ(floored.demand, 0.5);
  EXPECT_TRUE(floored.limited);
  EXPECT_DOUBLE_EQ(Adjust({.peak_p95 = 1}, {.least = 4, .most = 3}).demand, 3) << "what is not there can't be given";
}

RC_GTEST_PROP(MarginTest, IsANumberWhateverComes, (double a, double b, double c, double d, double e)) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double odd : {a, nan, std::numeric_limits<double>::infinity()}) {
    const AdjustedDemand adjusted = Adjust({.newest = odd,
                                            .peak_p95 = b,
                                            .spread = c,
                                            .risk = odd,
                                            .surprised = true,
                                            .drift_factor = d,
                                            .utilisation = e},
                                           {.least = odd, .most = 10});
    RC_ASSERT(adjusted.demand >= 0 && adjusted.demand <= 10);
  }
}

RC_GTEST_PROP(MarginTest, MoreRiskNeverGivesLess, ()) {
  DemandOutlook outlook{.newest = 1,
                        .peak_p95 = *rc::gen::inRange(0, 100) / 10.0,
                        .spread = *rc::gen::inRange(0, 100) / 10.0,
                        .risk = *rc::gen::inRange(0, 100) / 100.0};
  const double before = Adjust(outlook, {}).demand;
  outlook.risk = 1;
  RC_ASSERT(Adjust(outlook, {}).demand >= before);
  outlook.surprised = true;
  RC_ASSERT(Adjust(outlook, {}).demand >= before);
}

}  // namespace
}  // namespace truce
