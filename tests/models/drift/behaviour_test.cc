// What behaviour is: the same at any load, missing where readings are, finite whatever comes.
#include "models/drift/behaviour.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <limits>

namespace truce {
namespace {

constexpr size_t Index(Trait trait) {
  return static_cast<size_t>(trait);
}

Sample Busy(double cores) {
  Sample sample;
  sample.set(Reading::kCpuUsageCores, cores);
  sample.set(Reading::kCpuSystemRatio, 0.2);
  sample.set(Reading::kContextSwitchesPerSecond, 1000 * cores);
  sample.set(Reading::kPageFaultsPerSecond, 400 * cores);
  sample.set(Reading::kCyclesPerInstruction, 1.5);
  return sample;
}

TEST(BehaviourTest, IsWhatIsDonePerSecondOfCpu) {
  const Behaviour behaviour = MakeBehaviour(Busy(2));
  ASSERT_TRUE(behaviour.there[Index(Trait::kPageFaultsPerCpuSecond)]);
  const size_t faults = Index(Trait::kPageFaultsPerCpuSecond);
  EXPECT_NEAR(TraitValue(faults, behaviour.numbers[faults]), 400, 0.1);
  EXPECT_FALSE(behaviour.there[Index(Trait::kDiskReadBytesPerCpuSecond)]) << "a missing reading is no zero";
}

RC_GTEST_PROP(BehaviourPropertyTest, IsTheSameAtAnyLoad, ()) {
  const double cores = static_cast<double>(*rc::gen::inRange(10, 10'000)) / 100;
  const Behaviour one = MakeBehaviour(Busy(1));
  const Behaviour other = MakeBehaviour(Busy(cores));
  for (size_t i = 0; i < kTraitCount; ++i) {
    RC_ASSERT(one.there[i] == other.there[i]);
    RC_ASSERT(std::abs(one.numbers[i] - other.numbers[i]) < 1e-5);
  }
}

RC_GTEST_PROP(BehaviourPropertyTest, IsFiniteWhateverComes, ()) {
  Sample sample;
  for (size_t i = 0; i < kReadingCount; ++i) {
    sample.set(static_cast<Reading>(i),
               *rc::gen::element(0.0, -1.0, 1e-300, 1.0, 1e300, std::numeric_limits<double>::infinity(),
                                 -std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()));
  }
  const Behaviour behaviour = MakeBehaviour(sample);
  for (const double number : behaviour.numbers) RC_ASSERT(std::isfinite(number));
  for (const auto& demand : MakeDemands(sample)) RC_ASSERT(!demand.has_value() || std::isfinite(*demand));
}

TEST(BehaviourTest, AnIdleWorkloadHasNone) {
  EXPECT_TRUE(MakeBehaviour(Busy(0.01)).empty());
}

}  // namespace
}  // namespace truce
