#include "models/demand/quota_follower.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <limits>

namespace truce {
namespace {

constexpr QuotaBounds kBounds{.least_cores = 0.2, .most_cores = 4, .headroom_ratio = 0.2};

absl::Duration At(int second) {
  return absl::Seconds(second);
}

TEST(QuotaFollowerTest, BeginsWithAllAndComesDownSlowly) {
  QuotaFollower follower(kBounds);
  EXPECT_EQ(follower.Update(At(0), {.used = 0.5}), 4);
  double before = 4;
  double now = 4;
  for (int second = 1; second <= 200; ++second) {
    now = follower.Update(At(second), {.used = 0.5});
    EXPECT_LE(now, before);
    EXPECT_GE(now, before * (1 - QuotaFollower::kStepDown) - 1e-9);
    before = now;
  }
  EXPECT_NEAR(now, 0.6, 0.05);
}

TEST(QuotaFollowerTest, GoesUpAtOnceWithWhatIsUsedAndForetold) {
  QuotaFollower follower(kBounds);
  int second = 0;
  for (; second < 200; ++second) follower.Update(At(second), {.used = 0.5});
  EXPECT_NEAR(follower.Update(At(second++), {.used = 0.5, .foretold = 2}), 2.4, 1e-9);
  for (; second < 400; ++second) follower.Update(At(second), {.used = 0.5});
  EXPECT_NEAR(follower.Update(At(second++), {.used = 1.5}), 1.8, 1e-9);
}

TEST(QuotaFollowerTest, ThrottledItIsRaisedUntilItIsNot) {
  QuotaFollower follower(kBounds);
  int second = 0;
  for (; second < 200; ++second) follower.Update(At(second), {.used = 0.5});
  // It wants 3 and gets what its quota lets it have.
  int throttled = 0;
  for (int end = second + 10; second < end; ++second) {
    const double quota = follower.quota_cores();
    if (quota < 3) ++throttled;
    follower.Update(At(second), {.used = std::min(quota, 3.0), .throttled_ratio = quota < 3 ? 0.9 : 0});
  }
  EXPECT_GE(follower.quota_cores(), 3);
  EXPECT_LE(throttled, 5);
}

TEST(QuotaFollowerTest, JitterWithinASecondIsNoNeed) {
  QuotaFollower follower(kBounds);
  for (int look = 0; look < 2'000; ++look) {
    follower.Update(look * absl::Milliseconds(100), {.used = look % 2 == 0 ? 0.8 : 0.2});
  }
  EXPECT_NEAR(follower.quota_cores(), 0.6, 0.1);
}

TEST(QuotaFollowerTest, GetsAllWhileNothingIsKnown) {
  QuotaFollower follower(kBounds);
  int second = 0;
  for (; second < 100; ++second) follower.Update(At(second), {.used = 0.5});
  const double quota = follower.quota_cores();
  EXPECT_LT(quota, 1);
  for (int end = second + 10; second < end; ++second)
    EXPECT_EQ(follower.Update(At(second), {}), quota) << "not at once";
  for (int end = second + 2; second < end; ++second) follower.Update(At(second), {});
  EXPECT_EQ(follower.quota_cores(), 4);
}

RC_GTEST_PROP(QuotaFollowerTest, StaysWithinItsBoundsWhateverComes, ()) {
  const double least = *rc::gen::inRange(1, 100) / 10.0;
  const double most = least + *rc::gen::inRange(0, 100) / 10.0;
  QuotaFollower follower({least, most, *rc::gen::inRange(0, 30) / 10.0});
  const auto any = rc::gen::oneOf(rc::gen::arbitrary<double>(), rc::gen::just(std::nan("")),
                                  rc::gen::just(std::numeric_limits<double>::infinity()), rc::gen::just(-1e300));
  for (int second = 0; second < 60; ++second) {
    CpuDemand demand{.throttled_ratio = *any};
    if (*rc::gen::inRange(0, 4) > 0) demand.used = *any;
    if (*rc::gen::inRange(0, 2) > 0) demand.foretold = *any;
    const double quota = follower.Update(At(second), demand);
    RC_ASSERT(quota >= least && quota <= most);
  }
}

// More that is foretold never gives less.
RC_GTEST_PROP(QuotaFollowerTest, ForesightNeverTakesAnything, ()) {
  QuotaFollower blind(kBounds);
  QuotaFollower seeing(kBounds);
  for (int second = 0; second < 60; ++second) {
    const double used = *rc::gen::inRange(0, 40) / 10.0;
    blind.Update(At(second), {.used = used});
    seeing.Update(At(second), {.used = used, .foretold = *rc::gen::inRange(0, 40) / 10.0});
    RC_ASSERT(seeing.quota_cores() >= blind.quota_cores() * (1 - QuotaFollower::kStepDown - QuotaFollower::kDeadband));
  }
}

}  // namespace
}  // namespace truce
