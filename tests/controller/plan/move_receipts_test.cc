#include "controller/plan/move_receipts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/plan/planner.h"
#include "tests/controller/plan/bench_host.h"

namespace truce::controller {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class MoveReceiptsTest : public testing::Test {
 protected:
  MoveReceiptsTest() {
    migration_.set_migration_id("run-m1");
    migration_.set_workload("truce/stress");
    migration_.set_application("stress");
    migration_.set_workload_class(v1::WORKLOAD_CLASS_BEST_EFFORT);
    migration_.set_source_host("web-1");
    migration_.set_target_host("web-2");
    migration_.set_victim("truce/redis");
    migration_.set_victim_application("redis");
    migration_.set_victim_slowdown_before(0.4);
    migration_.set_expected_recovery(0.36);
    migration_.set_expected_cost_core_seconds(17);
    migration_.set_resource(v1::RESOURCE_CPU);
    migration_.set_cpu_cores(2);
    migration_.set_phase(v1::MIGRATION_PHASE_MOVED);
    SetTime(host_.now().wall - absl::Seconds(40), migration_.mutable_created_at());
    SetTime(host_.now().wall, migration_.mutable_changed_at());
  }
  // A report of the source, five seconds later.
  void Report(double slowdown) {
    v1::Report report = MakeScene(0);
    report.mutable_workloads(0)->set_slowdown_ratio(slowdown);
    host_.Round(report);
    receipts_.OnReport(host_.host(), host_.now());
  }

  BenchHost host_;
  v1::Migration migration_;
  MoveReceipts receipts_;
};

TEST_F(MoveReceiptsTest, TheVictimIsWatchedForAMinuteAndTheArbiterLearns) {
  receipts_.OnEnded(migration_, host_.now());
  Report(0.4);  // still the mean of what was before
  Report(0.4);
  for (int i = 0; i < 9; ++i) {
    EXPECT_THAT(receipts_.Take(host_.now()), IsEmpty());
    Report(i % 2 == 0 ? 0.02 : 0.06);
  }
  Report(0.04);
  const auto records = receipts_.Take(host_.now());
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].host(), "web-1");
  const v1::Receipt& receipt = records[0].receipt();
  EXPECT_EQ(receipt.outcome(), v1::RECEIPT_OUTCOME_MOVED);
  EXPECT_EQ(receipt.action().lever(), v1::LEVER_MIGRATE);
  EXPECT_EQ(receipt.action().lease_id(), "run-m1");
  EXPECT_DOUBLE_EQ(receipt.victim_slowdown_before(), 0.4);
  EXPECT_NEAR(receipt.victim_slowdown_after(), 0.038, 0.003);
  EXPECT_DOUBLE_EQ(receipt.cost_core_seconds(), 17) << "as expected, where nobody measured it";
  EXPECT_THAT(receipt.detail(), HasSubstr("it runs on web-2 now"));
  EXPECT_THAT(receipts_.Take(host_.now()), IsEmpty()) << "once";
  Arbiter arbiter;
  Teach(receipt, arbiter);
  EXPECT_EQ(
      arbiter.Expect({"redis", "stress", v1::RESOURCE_CPU, v1::WORKLOAD_CLASS_BEST_EFFORT}, v1::LEVER_MIGRATE).receipts,
      1);
}

TEST_F(MoveReceiptsTest, AVictimThatIsGoneOrWasMovedItselfIsNotMeasured) {
  receipts_.OnEnded(migration_, host_.now());
  host_.Advance(absl::Seconds(60));
  auto records = receipts_.Take(host_.now());
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_FALSE(records[0].receipt().has_victim_slowdown_after());
  migration_.set_victim(migration_.workload());
  receipts_.OnEnded(migration_, host_.now());
  records = receipts_.Take(host_.now());
  ASSERT_THAT(records, SizeIs(1)) << "at once";
  EXPECT_FALSE(records[0].receipt().has_victim_slowdown_after());
}

TEST_F(MoveReceiptsTest, WhatWasMeasuredOfTheMoveIsItsCost) {
  migration_.clear_victim();
  SetDuration(absl::Milliseconds(250), migration_.mutable_source()->mutable_downtime());
  migration_.mutable_source()->set_moved_bytes(1'250'000'000);
  receipts_.OnEnded(migration_, host_.now());
  const auto records = receipts_.Take(host_.now());
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_DOUBLE_EQ(records[0].receipt().cost_core_seconds(), 2 * 0.25 + 10);
}

TEST_F(MoveReceiptsTest, TheOtherEndsHaveTheirWordsAndAWithdrawnProposalHasNone) {
  migration_.set_phase(v1::MIGRATION_PHASE_ROLLED_BACK);
  migration_.set_detail("web-2 can't receive it: full");
  receipts_.OnEnded(migration_, host_.now());
  migration_.set_phase(v1::MIGRATION_PHASE_UNCERTAIN);
  receipts_.OnEnded(migration_, host_.now());
  migration_.set_phase(v1::MIGRATION_PHASE_WITHDRAWN);
  receipts_.OnEnded(migration_, host_.now());
  const auto records = receipts_.Take(host_.now());
  ASSERT_THAT(records, SizeIs(2));
  EXPECT_EQ(records[0].receipt().outcome(), v1::RECEIPT_OUTCOME_REVERTED);
  EXPECT_THAT(records[0].receipt().detail(), HasSubstr("web-2 can't receive it: full"));
  EXPECT_EQ(records[1].receipt().outcome(), v1::RECEIPT_OUTCOME_RESTORE_FAILED);
}

// Its first end has a receipt already, and when it really moved nobody knows.
TEST_F(MoveReceiptsTest, OneThatWasLookedAtAgainHasAReceiptOfItsOwnThatTeachesNothing) {
  migration_.set_phase(v1::MIGRATION_PHASE_UNCERTAIN);
  receipts_.OnEnded(migration_, host_.now());
  migration_.set_phase(v1::MIGRATION_PHASE_MOVED);
  migration_.set_verifications(1);
  receipts_.OnEnded(migration_, host_.now());
  const auto records = receipts_.Take(host_.now());
  ASSERT_THAT(records, SizeIs(2)) << "at once: its victim is not watched";
  EXPECT_NE(records[0].receipt().action().lease_id(), records[1].receipt().action().lease_id());
  EXPECT_EQ(records[1].receipt().action().lease_id(), ReceiptIdOf(migration_));
  EXPECT_FALSE(records[1].receipt().has_victim_slowdown_after());
  EXPECT_THAT(records[1].receipt().detail(), HasSubstr("looked at again"));
}

}  // namespace
}  // namespace truce::controller
