// The numbers of a receipt, against sums done by hand, and the judgement whether an action helped.
#include "agent/act/measure.h"

#include <gtest/gtest.h>

namespace truce::agent {
namespace {

using Help = Measurement::Help;
constexpr absl::Duration kWindow = absl::Seconds(20);
constexpr absl::Duration kStart = absl::Seconds(1000);
constexpr absl::Duration kVerdictAge = absl::Seconds(2);

WorkloadUse Cores(double cores) {
  return {.cores = cores};
}

// One that has lasted for all the recent samples.
VictimSlowdown Lasting(std::optional<double> slowdown) {
  return {slowdown, slowdown};
}

// Observes `slowdown` at each second after `from` up to `to`.
void Seconds(Measurement* measurement, int from, int to, std::optional<double> slowdown) {
  for (int i = from + 1; i <= to; ++i) measurement->Observe(kStart + absl::Seconds(i), slowdown, {});
}

TEST(Measurement, IntegratesWhatTheWorkloadWentWithout) {
  Measurement measurement(kStart, kVerdictAge, Lasting(0.8), Cores(2.0));
  measurement.Observe(kStart + absl::Seconds(1), 0.6, Cores(0.5));  // 1 s with 1.5 cores less
  measurement.Observe(kStart + absl::Seconds(4), 0.3, Cores(1.0));  // 3 s with 1.0 less
  measurement.Observe(kStart + absl::Seconds(6), 0.2, Cores(3.0));  // 2 s with more than before: no cost, no credit
  v1::Receipt receipt;
  measurement.FillReceipt(&receipt);
  EXPECT_DOUBLE_EQ(receipt.cost_core_seconds(), 1.5 + 3.0);
  EXPECT_DOUBLE_EQ(receipt.victim_slowdown_before(), 0.8);
  EXPECT_DOUBLE_EQ(receipt.victim_slowdown_after(), (0.3 * 3 + 0.2 * 2) / 5) << "not what was seen in the first 2 s";
  EXPECT_DOUBLE_EQ(receipt.workload_usage_before_cores(), 2.0);
  EXPECT_DOUBLE_EQ(receipt.workload_usage_after_cores(), (0.5 * 1 + 1.0 * 3 + 3.0 * 2) / 6);
}

TEST(Measurement, CountsTheCostInTheUnitOfTheLever) {
  Measurement measurement(kStart, kVerdictAge, Lasting(0.8),
                          {.cores = 1.0, .memory_bytes = 8e9, .bytes_per_second = 100e6});
  measurement.Observe(kStart + absl::Seconds(2), 0.6, {.cores = 0.5, .memory_bytes = 6e9, .bytes_per_second = 20e6});
  measurement.Observe(kStart + absl::Seconds(4), 0.6, {.cores = 1.0, .memory_bytes = 9e9, .bytes_per_second = 100e6});
  v1::Receipt squeeze;
  squeeze.mutable_action()->set_lever(v1::LEVER_MEMORY_SQUEEZE);
  measurement.FillReceipt(&squeeze);
  EXPECT_DOUBLE_EQ(squeeze.cost_byte_seconds(), 2 * 2e9);
  EXPECT_FALSE(squeeze.has_cost_bytes());
  EXPECT_DOUBLE_EQ(squeeze.workload_loss_ratio(), 1.0 / 4) << "of its CPU time: the memory is what it is to give back";
  for (const v1::Lever lever : {v1::LEVER_DISK_CAP, v1::LEVER_NETWORK_CAP}) {
    v1::Receipt cap;
    cap.mutable_action()->set_lever(lever);
    measurement.FillReceipt(&cap);
    EXPECT_DOUBLE_EQ(cap.cost_bytes(), 2 * 80e6);
    EXPECT_FALSE(cap.has_cost_byte_seconds());
    EXPECT_DOUBLE_EQ(cap.workload_loss_ratio(), 160.0 / 400) << "of its bytes";
  }
  v1::Receipt quota;
  quota.mutable_action()->set_lever(v1::LEVER_CPU_QUOTA);
  measurement.FillReceipt(&quota);
  EXPECT_DOUBLE_EQ(quota.cost_core_seconds(), 1.0);
  EXPECT_FALSE(quota.has_cost_byte_seconds() || quota.has_cost_bytes());
}

TEST(Measurement, WhatIsNotKnownStaysAbsent) {
  Measurement measurement(kStart, kVerdictAge, Lasting(std::nullopt), {});
  measurement.Observe(kStart + absl::Seconds(1), std::nullopt, Cores(1.0));
  v1::Receipt receipt;
  measurement.FillReceipt(&receipt);
  EXPECT_FALSE(receipt.has_victim_slowdown_before());
  EXPECT_FALSE(receipt.has_victim_slowdown_after());
  EXPECT_FALSE(receipt.has_workload_usage_before_cores());
  EXPECT_TRUE(receipt.has_workload_usage_after_cores());
  EXPECT_FALSE(receipt.has_cost_core_seconds());
  EXPECT_FALSE(receipt.has_workload_loss_ratio());
  Measurement idle(kStart, kVerdictAge, Lasting(1.0), Cores(0));
  idle.Observe(kStart + absl::Seconds(1), 1.0, Cores(0));
  idle.FillReceipt(&receipt);
  EXPECT_FALSE(receipt.has_workload_loss_ratio()) << "of nothing, nothing can be lost";
}

// What an action did can't be told from a slowdown that still shows what was before.
TEST(Measurement, AnActionThatEndsAtOnceSaysNothingOfTheVictim) {
  Measurement measurement(kStart, absl::Seconds(10), Lasting(0.5), Cores(2.0));
  for (int second = 1; second <= 10; ++second) measurement.Observe(kStart + absl::Seconds(second), 0.9, Cores(1.0));
  v1::Receipt receipt;
  measurement.FillReceipt(&receipt);
  EXPECT_FALSE(receipt.has_victim_slowdown_after());
  EXPECT_DOUBLE_EQ(receipt.cost_core_seconds(), 10) << "what it cost is known";
  measurement.Observe(kStart + absl::Seconds(11), 0.1, Cores(1.0));
  measurement.FillReceipt(&receipt);
  EXPECT_DOUBLE_EQ(receipt.victim_slowdown_after(), 0.1);
}

// The controller was told of three fifths of it, and expected nine tenths of that to go.
TEST(Measurement, WhatWasExpectedIsSaidOfWhatItIsMeasuredAgainst) {
  Measurement measurement(kStart, kVerdictAge, {.ratio = 0.3, .since_onset = 0.5}, {});
  v1::Receipt receipt;
  receipt.mutable_action()->set_expected_recovery(0.27);
  measurement.FillReceipt(&receipt);
  EXPECT_DOUBLE_EQ(receipt.victim_slowdown_before(), 0.5);
  EXPECT_DOUBLE_EQ(receipt.action().expected_recovery(), 0.45);
  Measurement nothing(kStart, kVerdictAge, Lasting(0), {});
  nothing.FillReceipt(&receipt);
  EXPECT_DOUBLE_EQ(receipt.action().expected_recovery(), 0.45);
}

TEST(Measurement, JudgesOnceWhenTheWindowIsOver) {
  Measurement measurement(kStart, kVerdictAge, Lasting(1.0), {});
  Seconds(&measurement, 0, 19, 1.0);
  EXPECT_EQ(measurement.Judge(kStart + absl::Seconds(19), kWindow, 0.1), Help::kNotDue);
  Seconds(&measurement, 19, 20, 1.0);
  EXPECT_EQ(measurement.Judge(kStart + absl::Seconds(20), kWindow, 0.1), Help::kDidNot);
  EXPECT_EQ(measurement.Judge(kStart + absl::Seconds(21), kWindow, 0.1), Help::kNotDue);
}

TEST(Measurement, FirstHalfOfTheWindowDoesNotCount) {
  Measurement helped(kStart, kVerdictAge, Lasting(1.0), {});
  Seconds(&helped, 0, 10, 5.0);
  Seconds(&helped, 10, 20, 0.89);
  EXPECT_EQ(helped.Judge(kStart + kWindow, kWindow, 0.1), Help::kHelped);
  Measurement faded(kStart, kVerdictAge, Lasting(1.0), {});
  Seconds(&faded, 0, 10, 0.0);
  Seconds(&faded, 10, 20, 0.95);
  EXPECT_EQ(faded.Judge(kStart + kWindow, kWindow, 0.1), Help::kDidNot);
}

TEST(Measurement, WithoutSlowdownThereIsNothingToJudge) {
  Measurement none_before(kStart, kVerdictAge, Lasting(std::nullopt), {});
  Seconds(&none_before, 0, 20, 3.0);
  EXPECT_EQ(none_before.Judge(kStart + kWindow, kWindow, 0.1), Help::kNotKnown);
  Measurement zero_before(kStart, kVerdictAge, Lasting(0.0), {});
  Seconds(&zero_before, 0, 20, 3.0);
  EXPECT_EQ(zero_before.Judge(kStart + kWindow, kWindow, 0.1), Help::kNotKnown);
  Measurement none_after(kStart, kVerdictAge, Lasting(1.0), {});
  Seconds(&none_after, 0, 20, std::nullopt);
  EXPECT_EQ(none_after.Judge(kStart + kWindow, kWindow, 0.1), Help::kNotKnown);
}

// A controller that tightens in small steps gets time for each, yet not for ever.
TEST(Measurement, NewValueBeginsTheWindowAnewThreeTimesAtMost) {
  Measurement measurement(kStart, kVerdictAge, Lasting(1.0), {});
  for (int second = 1; second < 60; ++second) {
    measurement.Observe(kStart + absl::Seconds(second), 1.0, {});
    if (second % 10 == 0) measurement.ValueChanged(kStart + absl::Seconds(second));
    ASSERT_EQ(measurement.Judge(kStart + absl::Seconds(second), kWindow, 0.1), Help::kNotDue) << second;
  }
  measurement.Observe(kStart + absl::Seconds(60), 1.0, {});
  EXPECT_EQ(measurement.Judge(kStart + absl::Seconds(60), kWindow, 0.1), Help::kDidNot);
}

}  // namespace
}  // namespace truce::agent
