// The PMU governor's decisions, duty cycle and turns.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "src/host/counters_governor.h"

namespace truce::host {
namespace {

// The costs that design.md section 3 measured on a virtual machine.
const std::vector<LevelCost> kSlow = {{CounterLevel::kFull, 5, absl::Microseconds(47)},
                                      {CounterLevel::kSmall, 2, absl::Microseconds(14)},
                                      {CounterLevel::kSoftware, 1, absl::Microseconds(0.3)}};
const std::vector<LevelCost> kBareMetal = {{CounterLevel::kFull, 5, absl::Microseconds(0.6)},
                                           {CounterLevel::kSmall, 2, absl::Microseconds(0.25)},
                                           {CounterLevel::kSoftware, 1, absl::Microseconds(0.1)}};

GovernorInputs Inputs(const std::vector<LevelCost>& levels, double switches, int cpus) {
  GovernorInputs inputs;
  inputs.levels = levels;
  inputs.switches_per_second = switches;
  inputs.busiest_cpu_switches_per_second = switches / cpus;
  inputs.cpus = cpus;
  inputs.budget_ratio = 0.005;
  inputs.tracked = 20;
  inputs.max_counted = 256;
  inputs.max_descriptors = 100000;
  return inputs;
}

TEST(DecideTest, QuietHostCountsEverythingAllTheTime) {
  const GovernorDecision decision = Decide(Inputs(kBareMetal, 20000, 16));
  EXPECT_EQ(decision.level, CounterLevel::kFull);
  EXPECT_EQ(decision.duty_ratio, 1);
  EXPECT_EQ(decision.counted, 20);
}

TEST(DecideTest, DearCountersTakeTurnsWithSilence) {
  // 2,000 switches a second at 47 us are 4.7 % of two CPUs.
  const GovernorDecision decision = Decide(Inputs(kSlow, 2000, 2));
  EXPECT_EQ(decision.level, CounterLevel::kFull);
  EXPECT_NEAR(decision.duty_ratio, 0.005 / (0.047 / 1.047), 1e-3);
}

TEST(DecideTest, MoreSwitchesMeanASmallerGroupThenSoftwareThenSilence) {
  EXPECT_EQ(Decide(Inputs(kSlow, 6000, 2)).level, CounterLevel::kSmall);
  EXPECT_EQ(Decide(Inputs(kSlow, 60000, 2)).level, CounterLevel::kSoftware);
  EXPECT_EQ(Decide(Inputs(kSlow, 5e6, 2)).level, CounterLevel::kOff);
}

TEST(DecideTest, StormOnOneCpuOfManyIsProtected) {
  GovernorInputs inputs = Inputs(kBareMetal, 300000, 64);
  inputs.busiest_cpu_switches_per_second = 290000;
  const GovernorDecision decision = Decide(inputs);
  // The host's budget alone would allow all of it.
  EXPECT_LT(CountingShare(300000, kBareMetal[0].switch_cost, 64), inputs.budget_ratio);
  EXPECT_LT(decision.duty_ratio, 0.2);
  const double on_its_cpu = CountingShare(290000, decision.switch_cost, 1);
  EXPECT_LE(on_its_cpu * decision.duty_ratio, kBusiestCpuFactor * inputs.budget_ratio * (1 + 1e-9));
}

TEST(BusiestCpuShareTest, StormThatSharesItsCpuIsStillAStorm) {
  const absl::Duration cost = absl::Microseconds(1);
  const absl::Duration base = absl::Microseconds(3);
  // 100,000 switches a second are 30 % of the CPU; whoever does them takes 4 us instead of 3.
  EXPECT_DOUBLE_EQ(BusiestCpuShare(100'000, cost, base), 0.25);
  // 10,000 are ordinary work: only their own time counts.
  EXPECT_DOUBLE_EQ(BusiestCpuShare(10'000, cost, base), 0.01 / 1.01);
  EXPECT_DOUBLE_EQ(BusiestCpuShare(100'000, cost, absl::ZeroDuration()), 0.1 / 1.1) << "base cost unknown";
  EXPECT_EQ(BusiestCpuShare(0, cost, base), 0);
}

TEST(DecideTest, StormPaysLessThanOnePerCent) {
  GovernorInputs inputs = Inputs({}, 120'000, 2);
  inputs.busiest_cpu_switches_per_second = 120'000;
  const std::vector<LevelCost> software = {{CounterLevel::kSoftware, 1, absl::Microseconds(0.4)}};
  inputs.levels = software;
  inputs.base_cost = absl::Microseconds(2);
  const GovernorDecision decision = Decide(inputs);
  EXPECT_EQ(decision.level, CounterLevel::kSoftware);
  const double slowdown = 0.4 / 2.4;
  EXPECT_LT(decision.duty_ratio * slowdown, 0.01);
  EXPECT_GT(decision.duty_ratio * slowdown, 0.005);
}

TEST(DecideTest, BudgetOfZeroCountsNothing) {
  GovernorInputs inputs = Inputs(kBareMetal, 0, 2);
  inputs.budget_ratio = 0;
  EXPECT_EQ(Decide(inputs).level, CounterLevel::kOff);
}

TEST(DecideTest, DescriptorsLimitWhoIsCounted) {
  GovernorInputs inputs = Inputs(kBareMetal, 1000, 4);
  inputs.max_descriptors = 100;  // 5 events on 4 CPUs: five workloads
  EXPECT_EQ(Decide(inputs).counted, 5);
  inputs.max_descriptors = 10;  // not even one in full, but one with two events on 4 CPUs
  EXPECT_EQ(Decide(inputs).level, CounterLevel::kSmall);
  EXPECT_EQ(Decide(inputs).counted, 1);
  inputs.max_descriptors = 3;
  EXPECT_EQ(Decide(inputs).level, CounterLevel::kOff);
}

TEST(DecideTest, TheAgentsOwnTimeLimitsWhoIsCounted) {
  GovernorInputs inputs = Inputs(kBareMetal, 1000, 128);
  inputs.tracked = 200;
  inputs.reading_cost_cores = 4e-6;
  EXPECT_EQ(Decide(inputs).counted, static_cast<int>(kReadingBudgetCores / (4e-6 * 128)));
  inputs.reading_cost_cores = 1;
  EXPECT_EQ(Decide(inputs).counted, 1);
}

TEST(DecideTest, GoingBackUpNeedsRoomAndTime) {
  GovernorInputs inputs = Inputs(kSlow, 4000, 2);  // full at a duty of 0.058: not affordable
  inputs.current = CounterLevel::kSmall;
  inputs.switches_per_second = 2000;  // at 0.11: affordable, but not by kRaiseFactor
  inputs.busiest_cpu_switches_per_second = 1000;
  EXPECT_EQ(Decide(inputs).level, CounterLevel::kSmall);
  EXPECT_FALSE(Decide(inputs).dearer_affordable);
  inputs.switches_per_second = 500;
  inputs.busiest_cpu_switches_per_second = 250;
  inputs.may_raise = false;
  EXPECT_EQ(Decide(inputs).level, CounterLevel::kSmall);
  EXPECT_TRUE(Decide(inputs).dearer_affordable);
  inputs.may_raise = true;
  EXPECT_EQ(Decide(inputs).level, CounterLevel::kFull);
}

TEST(DecideTest, BothBudgetsHoldWhateverTheHostDoes) {
  EXPECT_TRUE(rc::check("share x duty <= budget", [] {
    const int cpus = *rc::gen::inRange(1, 257);
    GovernorInputs inputs =
        Inputs(*rc::gen::arbitrary<bool>() ? kSlow : kBareMetal, *rc::gen::inRange(0, 20'000'000), cpus);
    inputs.busiest_cpu_switches_per_second = inputs.switches_per_second * *rc::gen::inRange(1, 101) / 100.0;
    inputs.budget_ratio = *rc::gen::inRange(0, 100) / 1000.0;
    inputs.tracked = *rc::gen::inRange(0, 2000);
    inputs.max_descriptors = *rc::gen::inRange(0, 20000);
    const GovernorDecision decision = Decide(inputs);
    RC_ASSERT(decision.duty_ratio >= 0 && decision.duty_ratio <= 1);
    RC_ASSERT(CountingShare(inputs.switches_per_second, decision.switch_cost, cpus) * decision.duty_ratio <=
              inputs.budget_ratio * (1 + 1e-9));
    RC_ASSERT(CountingShare(inputs.busiest_cpu_switches_per_second, decision.switch_cost, 1) * decision.duty_ratio <=
              kBusiestCpuFactor * inputs.budget_ratio * (1 + 1e-9));
    RC_ASSERT(decision.counted <= inputs.tracked && decision.counted <= inputs.max_counted);
    if (decision.level != CounterLevel::kOff) RC_ASSERT(decision.duty_ratio >= MinimumDuty(decision.level));
  }));
}

TEST(DecideTest, MoreSwitchesNeverMeanADearerLevel) {
  EXPECT_TRUE(rc::check("level falls with the switch rate", [] {
    const int cpus = *rc::gen::inRange(1, 65);
    const int rate = *rc::gen::inRange(0, 1'000'000);
    const int more = *rc::gen::inRange(0, 1'000'000);
    RC_ASSERT(Decide(Inputs(kSlow, rate, cpus)).level <= Decide(Inputs(kSlow, rate + more, cpus)).level);
  }));
}

TEST(UndisturbedFactorTest, UndoesTheSlowdownOfAStorm) {
  // 3 us a switch without counters, 50 us with: the CPU switches 20,000 times a second where it would 333,333 times.
  EXPECT_NEAR(20000 * UndisturbedFactor(20000, absl::Microseconds(47)), 333333, 1);
  EXPECT_EQ(UndisturbedFactor(0, absl::Microseconds(47)), 1);
  EXPECT_TRUE(std::isfinite(UndisturbedFactor(1e9, absl::Microseconds(47))));
}

TEST(DutyCycleTest, AveragesToTheDuty) {
  EXPECT_TRUE(rc::check("share of time on is the duty", [] {
    const double duty = *rc::gen::inRange(1, 1001) / 1000.0;
    DutyCycle cycle;
    double on = 0;
    double all = 0;
    bool last = false;
    for (int i = 0; i < 20000; ++i) {
      const double seconds = 1;
      if (last) on += seconds;
      all += seconds;
      last = cycle.Next(duty, absl::Seconds(seconds));
    }
    RC_ASSERT(std::abs(on / all - duty) < 0.002);
  }));
}

TEST(DutyCycleTest, UnevenIntervalsDoNotOverspend) {
  EXPECT_TRUE(rc::check("time on <= duty x time + one interval", [] {
    const double duty = *rc::gen::inRange(1, 900) / 1000.0;
    DutyCycle cycle;
    double on = 0;
    double all = 0;
    bool last = false;
    for (const int tenths : *rc::gen::container<std::vector<int>>(200, rc::gen::inRange(5, 21))) {
      const double seconds = tenths / 10.0;
      if (last) on += seconds;
      all += seconds;
      last = cycle.Next(duty, absl::Seconds(seconds));
    }
    RC_ASSERT(on <= duty * all + 2.1);
  }));
}

TEST(DutyCycleTest, EndsAreExact) {
  DutyCycle cycle;
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(cycle.Next(1, absl::Seconds(1)));
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(cycle.Next(0, absl::Seconds(1)));
}

TEST(CounterTurnsTest, EverybodyGetsATurn) {
  EXPECT_TRUE(rc::check("no key starves and no more than the capacity is counted", [] {
    const int keys = *rc::gen::inRange(1, 60);
    const int capacity = *rc::gen::inRange(1, 60);
    CounterTurns turns;
    for (int key = 0; key < keys; ++key) turns.Add(static_cast<uint64_t>(key));
    std::set<uint64_t> seen;
    // Each interval at least one of the counted gives way.
    for (int interval = 0; interval < keys + 1; ++interval) {
      turns.Rotate(capacity);
      RC_ASSERT(turns.counted().size() == static_cast<size_t>(std::min(keys, capacity)));
      seen.insert(turns.counted().begin(), turns.counted().end());
    }
    RC_ASSERT(seen.size() == static_cast<size_t>(keys));
  }));
}

TEST(CounterTurnsTest, NobodyLeavesWhileThereIsRoom) {
  CounterTurns turns;
  for (uint64_t key = 0; key < 5; ++key) turns.Add(key);
  EXPECT_EQ(turns.Rotate(5).in.size(), 5u);
  for (int i = 0; i < 10; ++i) {
    const CounterTurns::Change change = turns.Rotate(5);
    EXPECT_TRUE(change.in.empty() && change.out.empty());
  }
  EXPECT_EQ(turns.Fit(2).out.size(), 3u);
  turns.Remove(turns.counted().front());
  EXPECT_EQ(turns.Fit(2).in.size(), 1u);
}

}  // namespace
}  // namespace truce::host
