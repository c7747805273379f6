// What is said of a burst, from what a quota was around it.
#include "lab/allocate/watched_quota.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_format.h"
#include "lab/allocate/allocate.h"
#include "tests/fixtures/tree.h"

namespace truce::lab {
namespace {

class WatchedQuotaTest : public testing::TestWithParam<bool> {
 protected:
  WatchedQuotaTest() {
    if (!v2()) {
      tree_.Put("cgroup/cpu/cpu.shares", "1024\n");
      tree_.Put("cgroup/cpuacct/cpuacct.usage", "1\n");
    } else {
      tree_.Put("cgroup/cgroup.controllers", "cpu\n");
    }
    Put(std::nullopt, 0, 0);
    layout_ = *host::CgroupLayout::Detect(tree_.Path("cgroup"));
    auto quota = WatchedQuota::Open(*layout_, "w");
    if (!quota.ok()) throw std::runtime_error(std::string(quota.status().message()));
    quota_.emplace(*std::move(quota));
  }
  bool v2() const { return GetParam(); }
  void Put(std::optional<double> cores, double throttled_seconds, double used_seconds) {
    const auto us = [](double seconds) { return static_cast<int64_t>(1e6 * seconds); };
    if (v2()) {
      tree_.Put("cgroup/w/cpu.max", cores ? absl::StrFormat("%d 100000\n", us(*cores) / 10) : "max 100000\n");
      tree_.Put("cgroup/w/cpu.stat",
                absl::StrFormat("usage_usec %d\nthrottled_usec %d\n", us(used_seconds), us(throttled_seconds)));
    } else {
      tree_.Put("cgroup/cpu/w/cpu.cfs_period_us", "100000\n");
      tree_.Put("cgroup/cpu/w/cpu.cfs_quota_us", cores ? absl::StrFormat("%d\n", us(*cores) / 10) : "-1\n");
      tree_.Put("cgroup/cpu/w/cpu.stat", absl::StrFormat("throttled_time %d\n", 1000 * us(throttled_seconds)));
      tree_.Put("cgroup/cpuacct/w/cpuacct.usage", absl::StrFormat("%d\n", 1000 * us(used_seconds)));
    }
  }
  static absl::Time At(double second) { return absl::FromUnixSeconds(1000) + absl::Seconds(second); }
  void Look(double second, std::optional<double> cores, double throttled = 0, double used = 0) {
    Put(cores, throttled, used);
    ASSERT_TRUE(quota_->Look(At(second)).ok());
  }

  test::Tree tree_;
  std::optional<host::CgroupLayout> layout_;
  std::optional<WatchedQuota> quota_;
};

TEST_P(WatchedQuotaTest, TheLeadIsFromWhenOnItWasEnoughWithoutABreak) {
  Look(0, 2);
  Look(1, 0.5);
  Look(2, 1.2);
  Look(3, 0.5);
  Look(4, 1.2, 0.1, 0);
  Look(9, 1.2, 0.1, 0.2);
  Look(12, 1.2, 0.4, 3.2);
  Look(20, 0.5, 0.4, 3.2);
  const BurstOutcome outcome = quota_->Of(At(9), At(20), 1);
  EXPECT_EQ(outcome.lead, absl::Seconds(5));
  EXPECT_EQ(outcome.throttled, absl::Milliseconds(300));
  EXPECT_DOUBLE_EQ(quota_->Used(At(9), At(12)), 1);
}

TEST_P(WatchedQuotaTest, OneThatComesTooLateOrNeverHasANegativeLead) {
  Look(0, 0.5);
  Look(10, 0.5);
  Look(13, 1.2);
  Look(20, 1.2);
  EXPECT_EQ(quota_->Of(At(10), At(20), 1).lead, absl::Seconds(-3));
  EXPECT_EQ(quota_->Of(At(10), At(20), 1.5).lead, absl::Seconds(-10)) << "never enough";
}

TEST_P(WatchedQuotaTest, OneThatIsNotBoundIsAlwaysEnough) {
  Look(0, std::nullopt);
  Look(10, std::nullopt);
  EXPECT_EQ(quota_->Of(At(10), At(20), 100).lead, absl::Seconds(10));
}

INSTANTIATE_TEST_SUITE_P(Trees, WatchedQuotaTest, testing::Bool(),
                         [](const auto& tree) { return tree.param ? "v2" : "v1"; });

TEST(AllocationFiguresTest, TheTargetIsAShareOfBurstsRaisedInTime) {
  AllocateOutcome outcome;
  for (const int lead : {12, 11, 6, 5, 2}) outcome.foreseen.push_back({absl::Seconds(lead), absl::Milliseconds(100)});
  for (int i = 0; i < 5; ++i) outcome.reactive.push_back({absl::Seconds(-3), absl::Seconds(1)});
  EXPECT_TRUE(AllocationFigures(outcome).AllMet());
  outcome.foreseen[3].lead = absl::Seconds(4);
  EXPECT_FALSE(AllocationFigures(outcome).AllMet());
  outcome.foreseen[3].lead = absl::Seconds(5);
  outcome.changed_files = 1;
  EXPECT_FALSE(AllocationFigures(outcome).AllMet());
}

}  // namespace
}  // namespace truce::lab
