// What the profiler learns as usual, and what it must not: outliers, and time in which the workload was disturbed.
#include "agent/profile/profiler.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/agent/sense/rig.h"

namespace truce::agent {
namespace {

ProfilerOptions Quick() {
  ProfilerOptions options;
  options.window_samples = 50;
  options.least_samples = 20;
  options.adapt_after_samples = 100;
  options.baseline_memory = 100;
  return options;
}

// One v2 workload whose CPU use and PSI a test says tick by tick, read by the real sampler.
class ProfilerTest : public testing::Test {
 protected:
  ProfilerTest() {
    rig_.PutUsage("w/a", 0);
    rig_.PutPressure("w/a", "cpu", 0, std::nullopt);
    Go();
  }
  void Go() {
    rig_.Tick();
    profiler_.Tick(*rig_.sampler);
  }
  // One second with this use (cores) and this share of it waited.
  void Second(double usage, double waited) {
    usage_us_ += usage * 1e6;
    waited_us_ += waited * 1e6;
    rig_.PutUsage("w/a", static_cast<int64_t>(usage_us_));
    rig_.PutPressure("w/a", "cpu", static_cast<int64_t>(waited_us_), std::nullopt);
    Go();
  }
  void Quiet(int seconds) {
    std::normal_distribution<double> noise(0.1, 0.01);
    for (int i = 0; i < seconds; ++i) Second(1.0, std::max(0.0, noise(random_)));
  }
  const Profile& profile() { return *profiler_.profiles().begin()->second; }
  const Baseline& wait() { return profile().signal(Signal::kCpuWait); }

  Rig rig_{Layout::kV2};
  Profiler profiler_{Quick()};
  std::mt19937 random_{11};
  double usage_us_ = 0;
  double waited_us_ = 0;
};

TEST_F(ProfilerTest, LearnsWhatIsUsual) {
  Quiet(60);
  EXPECT_EQ(profile().samples_seen, 60u) << "the first tick gives no rate";
  EXPECT_NEAR(wait().mean(), 0.1, 0.005);
  EXPECT_NEAR(profile().usage.mean(), 1.0, 1e-3);
  EXPECT_EQ(profile().window.size(), 50u);
  EXPECT_EQ(profile().identity.name, "w/a");
}

TEST_F(ProfilerTest, AtWorkCountsFromWhenItBeganToUseMuchMore) {
  for (int i = 0; i < 40; ++i) Second(0.1, 0);
  EXPECT_EQ(profile().busy_samples, 40u);
  for (int i = 0; i < 10; ++i) Second(2, 0);
  EXPECT_EQ(profile().busy_samples, 10u) << "what was borne before was a tenth of this";
  Second(1.5, 0);
  Second(2.5, 0);
  EXPECT_EQ(profile().busy_samples, 12u) << "to and fro about a level is one level";
  Second(0.01, 0);
  EXPECT_EQ(profile().busy_samples, 0u);
}

TEST_F(ProfilerTest, OutliersAreNotLearnedAndNeitherIsTheUseOfAStarvedVictim) {
  Quiet(60);
  const double mean = wait().mean();
  const double deviation = wait().stddev();
  for (int i = 0; i < 90; ++i) Second(0.3, 0.6);
  EXPECT_EQ(wait().mean(), mean);
  EXPECT_EQ(wait().stddev(), deviation);
  EXPECT_NEAR(profile().usage.mean(), 1.0, 1e-3);
  EXPECT_EQ(profile().samples_seen, 150u) << "seen all the same";
}

TEST_F(ProfilerTest, AChangeForGoodIsFollowedAfterItsTime) {
  Quiet(60);
  for (int i = 0; i < 100; ++i) Second(1.0, 0.6);
  EXPECT_LT(wait().mean(), 0.12) << "not yet";
  for (int i = 0; i < 400; ++i) Second(1.0, 0.6);
  EXPECT_NEAR(wait().mean(), 0.6, 0.05);
}

TEST_F(ProfilerTest, AnInterruptedOutlierBeginsToCountAnew) {
  Quiet(60);
  const double mean = wait().mean();
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 60; ++i) Second(1.0, 0.6);
    Quiet(2);
  }
  EXPECT_NEAR(wait().mean(), mean, 0.01);
}

TEST_F(ProfilerTest, DisturbedTimeSaysNothingOfWhatIsUsual) {
  Quiet(60);
  const double mean = wait().mean();
  const uint64_t learned = wait().count();
  // Throttled by its own quota in half of the periods: waiting looks better than usual, say, and must not be learned.
  for (int i = 1; i <= 30; ++i) {
    rig_.throttling = StrCat("nr_periods ", 10 * i, "\nnr_throttled ", 5 * i, "\n");
    Second(0.5, 0.0);
  }
  EXPECT_EQ(wait().mean(), mean);
  // The first of these seconds has no rate of periods yet.
  EXPECT_LE(wait().count(), learned + 1);
  EXPECT_NEAR(profile().usage.mean(), 1.0, 0.01);
}

TEST_F(ProfilerTest, StolenTimeSaysNothingOfWhatIsUsual) {
  rig_.proc.Put("stat", "cpu  0 0 0 0 0 0 0 0 0 0\n");
  Quiet(60);
  const uint64_t learned = wait().count();
  for (int i = 1; i <= 30; ++i) {
    rig_.proc.Put("stat", StrCat("cpu  ", 50 * i, " 0 0 ", 40 * i, " 0 0 0 ", 10 * i, " 0 0\n"));
    Second(0.9, 0.1);
  }
  EXPECT_EQ(wait().count(), learned);
}

TEST_F(ProfilerTest, AWorkloadThatLeftIsForgottenAndANewOneStartsAnew) {
  Quiet(30);
  rig_.PutUsage("w/b", 0);
  Go();
  EXPECT_EQ(profiler_.profiles().size(), 2u);
  rig_.RemoveCgroup("w/a");
  Go();
  ASSERT_EQ(profiler_.profiles().size(), 1u);
  EXPECT_EQ(profile().identity.name, "w/b");
  rig_.PutUsage("w/a", 0);
  Go();
  ASSERT_EQ(profiler_.profiles().size(), 2u);
  EXPECT_EQ(profiler_.profiles().rbegin()->second->identity.name, "w/a");
  EXPECT_EQ(profiler_.profiles().rbegin()->second->samples_seen, 0u) << "another workload of the same name";
}

}  // namespace
}  // namespace truce::agent
