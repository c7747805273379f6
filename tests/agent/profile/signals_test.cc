// A victim's pain in numbers: each signal from its readings, and the slowdown that it stands for.
#include "agent/profile/signals.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace truce::agent {
namespace {

Sample With(std::initializer_list<std::pair<Reading, double>> readings) {
  Sample sample;
  for (const auto& [reading, value] : readings) sample.set(reading, value);
  return sample;
}

TEST(SignalTest, CpuWaitIsWaitPerSecondOfCpuTime) {
  EXPECT_FLOAT_EQ(
      *SignalValue(Signal::kCpuWait, With({{Reading::kCpuUsageCores, 0.5}, {Reading::kPsiCpuSomeRatio, 0.25}})), 0.5f);
  EXPECT_FLOAT_EQ(
      *SignalValue(Signal::kCpuWait, With({{Reading::kCpuUsageCores, 2.0}, {Reading::kRunQueueWaitRatio, 1.0}})), 0.5f)
      << "without PSI the run queue says it";
  EXPECT_FLOAT_EQ(*SignalValue(Signal::kCpuWait, With({{Reading::kCpuUsageCores, 1.0},
                                                       {Reading::kPsiCpuSomeRatio, 0.25},
                                                       {Reading::kRunQueueWaitRatio, 1.0}})),
                  0.25f)
      << "PSI comes first, so that the signal does not switch its meaning between ticks";
}

TEST(SignalTest, CpuWaitIsMissingWithoutItsReadingsOrWithoutUse) {
  EXPECT_EQ(SignalValue(Signal::kCpuWait, With({{Reading::kCpuUsageCores, 0.5}})), std::nullopt);
  EXPECT_EQ(SignalValue(Signal::kCpuWait, With({{Reading::kPsiCpuSomeRatio, 0.5}})), std::nullopt);
  EXPECT_EQ(SignalValue(Signal::kCpuWait, With({{Reading::kCpuUsageCores, 0.0}, {Reading::kPsiCpuSomeRatio, 0.0}})),
            std::nullopt)
      << "idle: neither well nor ill";
  EXPECT_GT(*SignalValue(Signal::kCpuWait, With({{Reading::kCpuUsageCores, 0.001}, {Reading::kPsiCpuSomeRatio, 0.9}})),
            10)
      << "starved: it wants to run and gets nothing";
}

TEST(SignalTest, StallsAreTimeLostPerTimeOfProgress) {
  EXPECT_NEAR(*SignalValue(Signal::kMemoryStall, With({{Reading::kPsiMemorySomeRatio, 0.5}})), 1.0, 1e-6);
  EXPECT_NEAR(*SignalValue(Signal::kDiskStall, With({{Reading::kPsiIoSomeRatio, 0.2}})), 0.25, 1e-6);
  EXPECT_LE(*SignalValue(Signal::kDiskStall, With({{Reading::kPsiIoSomeRatio, 1.0}})), 50)
      << "finite when always stalled";
  EXPECT_EQ(SignalValue(Signal::kDiskStall, With({{Reading::kPsiMemorySomeRatio, 0.2}})), std::nullopt);
  EXPECT_EQ(*SignalValue(Signal::kCyclesPerInstruction, With({{Reading::kCyclesPerInstruction, 1.5}})), 1.5);
}

TEST(SignalTest, SlowdownIsTheRatioOfTimesMinusOne) {
  // 1 s of work with 0.1 s of waiting before, 0.65 s now.
  EXPECT_NEAR(SlowdownOf(Signal::kCpuWait, 0.1, 0.65), 0.5, 1e-12);
  EXPECT_NEAR(SlowdownOf(Signal::kCyclesPerInstruction, 1.0, 1.5), 0.5, 1e-12);
  for (Signal signal : kSignals) {
    EXPECT_EQ(SlowdownOf(signal, 1.0, 0.5), 0) << "never negative: " << SignalName(signal);
    EXPECT_EQ(SlowdownOf(signal, 1.0, 1.0), 0) << SignalName(signal);
  }
  EXPECT_EQ(SlowdownOf(Signal::kCyclesPerInstruction, 0.0, 1.0), 0) << "no baseline, no slowdown";
}

TEST(SignalTest, EachHasANameAMeaningAFloorAResourceAndReadingsToAccuseWith) {
  std::vector<std::string> names;
  for (Signal signal : kSignals) {
    names.emplace_back(SignalName(signal));
    EXPECT_FALSE(SignalName(signal).empty());
    EXPECT_FALSE(SignalMeaning(signal).empty());
    EXPECT_GT(SignalFloor(signal), 0);
    EXPECT_NE(SignalResource(signal), v1::RESOURCE_UNSPECIFIED);
    EXPECT_FALSE(UsageReadings(signal).empty());
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::unique(names.begin(), names.end()), names.end()) << "no name twice";
}

}  // namespace
}  // namespace truce::agent
