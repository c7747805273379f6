// Calibration and the service on the real kernel of this machine, whatever it has.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "src/host/counters_calibration.h"
#include "src/host/counters_service.h"

namespace truce::host {
namespace {

// A cgroup2 tree that this test can write, or nothing.
std::string WritableUnifiedTree() {
  for (const char* tree : {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"}) {
    if (access((std::string(tree) + "/cgroup.controllers").c_str(), R_OK) == 0 && access(tree, W_OK) == 0) return tree;
  }
  return "";
}

int CalibrationCgroups(const std::string& tree) {
  int count = 0;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(tree, ignored)) {
    count += entry.path().filename().string().starts_with("truce-calibration-" + std::to_string(getpid())) ? 1 : 0;
  }
  return count;
}

TEST(SwitchPairTest, SwitchesAndTakesTime) {
  const auto cpu = CalibrationCpu();
  ASSERT_TRUE(cpu.ok()) << cpu.status();
  const auto pair = SwitchPair::Start(*cpu);
  ASSERT_TRUE(pair.ok()) << pair.status();
  const auto cost = (*pair)->MeasureFor(absl::Milliseconds(100));
  ASSERT_TRUE(cost.ok()) << cost.status();
  EXPECT_GT(*cost, absl::Nanoseconds(100));
  EXPECT_LT(*cost, absl::Milliseconds(1));
  const pid_t child = (*pair)->first();
  EXPECT_EQ(kill(child, 0), 0);
}

TEST(SwitchPairTest, TooFewSwitchesAreNoMeasurement) {
  EXPECT_FALSE(CostBetween({absl::Seconds(1), 100}, {absl::Seconds(2), 101}).ok());
  EXPECT_EQ(*CostBetween({absl::Seconds(1), 100}, {absl::Seconds(2), 1100}), absl::Milliseconds(1));
}

TEST(AddedCostTest, LoadDoesNotHideTheCost) {
  const auto us = [](double value) { return absl::Microseconds(value); };
  EXPECT_EQ(AddedCost({us(2), us(2), us(2)}, {us(3), us(3), us(3)}), us(1));
  // One lucky window with counters: the median of the pairs knows better.
  EXPECT_EQ(AddedCost({us(2), us(2.5), us(2.5)}, {us(2), us(3.5), us(3.5)}), us(1));
  // All windows without counters but one were disturbed: the smallest ones know better.
  EXPECT_EQ(AddedCost({us(2), us(9), us(9)}, {us(3), us(3), us(3)}), us(1));
  EXPECT_EQ(AddedCost({us(2)}, {us(1)}), absl::Nanoseconds(20));
}

TEST(CgroupPairTest, LeavesNothingBehindAndClearsUpAfterTheDead) {
  const std::string tree = WritableUnifiedTree();
  if (tree.empty()) GTEST_SKIP() << "no cgroup2 tree that this user can write";
  // Nobody has this process id: it is above the kernel's limit.
  const std::string stale = tree + "/truce-calibration-99999999-a";
  ASSERT_EQ(mkdir(stale.c_str(), 0755), 0);
  {
    const auto cgroups = CgroupPair::Create(tree);
    ASSERT_TRUE(cgroups.ok()) << cgroups.status();
    EXPECT_EQ(CalibrationCgroups(tree), 2);
    const auto pair = SwitchPair::Start(CalibrationCpu().value());
    ASSERT_TRUE(pair.ok());
    EXPECT_TRUE((*cgroups)->Join(**pair).ok());
  }
  EXPECT_EQ(CalibrationCgroups(tree), 0);
  EXPECT_NE(access(stale.c_str(), F_OK), 0);
}

TEST(CalibrateTest, FailureInTheMiddleLeavesNothingBehind) {
  const std::string tree = WritableUnifiedTree();
  if (tree.empty()) GTEST_SKIP() << "no cgroup2 tree that this user can write";
  LevelEvents nonsense{CounterLevel::kFull, {{CounterRole::kCycles, {"no such event", 0xffff, 1}, 1}}};
  EXPECT_FALSE(Calibrate(LinuxPerfSyscalls().get(), {nonsense}, tree).ok());
  EXPECT_EQ(CalibrationCgroups(tree), 0);
}

TEST(CreateCounterServiceTest, SaysWhatThisHostHasAndCountsIt) {
  CounterOptions options;
  options.calibration_directory = WritableUnifiedTree();
  const absl::Duration begin = SystemClock().Monotonic();
  const auto service = CreateCounterService(options);
  EXPECT_LT(SystemClock().Monotonic() - begin, absl::Seconds(5));
  const CounterStatus status = service->status();
  EXPECT_EQ(status.missing_reason.empty(), status.pmu_available);
  EXPECT_EQ(status.missing_remedy.empty(), status.pmu_available);
  if (!options.calibration_directory.empty()) {
    EXPECT_EQ(CalibrationCgroups(options.calibration_directory), 0);
  }
  if (!status.events.empty()) {
    EXPECT_GT(status.switch_cost, absl::ZeroDuration());
  }
}

TEST(CreateCounterServiceTest, TurnedOffCountsNothing) {
  CounterOptions options;
  options.enabled = false;
  const auto service = CreateCounterService(options);
  service->Govern(absl::Seconds(1));
  service->Govern(absl::Seconds(2));
  EXPECT_EQ(service->status().level, CounterLevel::kOff);
  EXPECT_NE(service->status().missing_reason.find("pmu.enabled"), std::string::npos);
  EXPECT_FALSE(service->Read(1).has_value());
}

}  // namespace
}  // namespace truce::host
