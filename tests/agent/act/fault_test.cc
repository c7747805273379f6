// Whatever write fails, with whatever error: the action is refused with the reason and nothing is half done. And
// whatever somebody else does to the controls: it is noticed, set right with patience, and given up in the end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/agent/act/rig.h"

namespace truce::agent {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using Failing = OnEveryTree;

constexpr int kErrors[] = {EBUSY, EINVAL, ENOENT, EACCES, ENOSPC};

// How many writes an action makes on a fresh rig.
int WritesOf(TreeKind kind, const v1::LeasedAction& action) {
  Rig rig(kind);
  EXPECT_TRUE(rig.Apply({action}).accepted());
  return rig->writer.writes();
}

TEST_P(Failing, EachWriteWithEachErrorLeavesNothingHalfDone) {
  int cases = 0;
  for (const v1::LeasedAction& action : EveryLever("batch/a", CountsTraffic(GetParam()))) {
    const int writes = WritesOf(GetParam(), action);
    ASSERT_GE(writes, 1);
    if (rig.tree.v1() && action.lever() == v1::LEVER_CPU_PIN) {
      ASSERT_GE(writes, 5) << "nested cgroups too";
    }
    for (const int error : kErrors) {
      for (int n = 1; n <= writes; ++n) {
        SCOPED_TRACE(testing::Message() << OwnerOf(action) << ", write " << n << " fails with errno " << error);
        Rig fresh(GetParam());
        const auto before = fresh.tree.Snapshot();
        fresh->writer.FailWrite(n, error);
        const auto result = fresh.Apply({action});
        ASSERT_EQ(result.results(0).state(), v1::ACTION_STATE_REFUSED);
        EXPECT_THAT(result.results(0).reason(), HasSubstr("writing '"));
        EXPECT_EQ(fresh.tree.Snapshot(), before);
        EXPECT_THAT(fresh.actuator().held(), IsEmpty());
        fresh.Crash();
        EXPECT_EQ(*fresh->Restore(), 0) << "nothing is outstanding";
        EXPECT_TRUE(fresh.Apply({action}).accepted()) << "and the next try works";
        ++cases;
      }
    }
  }
  printf("%s: %d failed writes\n", TreeKindName(GetParam()).c_str(), cases);
}

TEST_P(Failing, FailedTighteningLeavesThePreviousValueInForce) {
  const auto original = rig.tree.Snapshot();
  ASSERT_TRUE(rig.Apply({Pin("p", "batch/a", "0-1")}).accepted());
  const auto before = rig.tree.Snapshot();
  rig->writer.FailWrite(1, EBUSY);
  EXPECT_FALSE(rig.Apply({Pin("p", "batch/a", "2")}).accepted());
  EXPECT_EQ(rig.tree.Snapshot(), before);
  EXPECT_EQ(rig.actuator().held()[0].action().cpus(), "0-1");
  EXPECT_TRUE(rig.Apply({}).accepted());
  EXPECT_EQ(rig.tree.Snapshot(), original);
}

// When even the undo fails, the original is not forgotten.
TEST_P(Failing, FailedUndoIsRetriedOnTick) {
  const auto before = rig.tree.Snapshot();
  const int writes = WritesOf(GetParam(), Pin("p", "batch/a", "0"));
  // The last write fails; it is the first to be undone, with nothing to change; then the undo of the one before fails.
  rig->writer.FailWrite(writes, EBUSY);
  rig->writer.FailWrite(writes + (writes > 1 ? 2 : 1), EACCES);
  const auto result = rig.Apply({Pin("p", "batch/a", "0")});
  ASSERT_EQ(result.results(0).state(), v1::ACTION_STATE_REFUSED);
  EXPECT_THAT(result.results(0).reason(), HasSubstr("undoing it failed too"));
  EXPECT_THAT(Kinds(rig.actuator().TakeEvents()), Contains("restore_failed"));
  for (int i = 0; i < 10; ++i) rig.Tick();
  EXPECT_EQ(rig.tree.Snapshot(), before);
  EXPECT_THAT(Kinds(rig.actuator().TakeEvents()), Contains("restore_done"));
}

TEST_P(Failing, FailedRestoreStaysInTheJournalAndIsRetried) {
  const auto before = rig.tree.Snapshot();
  ASSERT_TRUE(rig.Apply({Pin("p", "batch/a", "0"), Quota("q", "batch/b", 0.5)}).accepted());
  rig->writer.FailFile(rig.tree.Quota("batch/b"), EBUSY);
  rig.Apply({});
  auto after = rig.tree.Snapshot();
  after[rig.tree.Quota("batch/b")] = before.at(rig.tree.Quota("batch/b"));
  EXPECT_EQ(after, before) << "one file's error does not stop the rest";
  const auto receipts = rig.actuator().TakeReceipts();
  EXPECT_EQ(receipts[0].outcome(), v1::RECEIPT_OUTCOME_RESTORE_FAILED);
  EXPECT_THAT(receipts[0].detail(), HasSubstr(rig.tree.Quota("batch/b")));
  EXPECT_EQ(receipts[1].outcome(), v1::RECEIPT_OUTCOME_RELEASED);
  EXPECT_THAT(Kinds(rig.actuator().TakeEvents()), Contains("restore_failed"));
  const auto held = rig.actuator().held();
  ASSERT_EQ(held.size(), 1u) << "what is not restored counts as held: it would travel with a move";
  EXPECT_TRUE(held[0].unrestored());
  EXPECT_EQ(held[0].action().workload(), "batch/b");
  EXPECT_EQ(held[0].action().lever(), v1::LEVER_CPU_QUOTA);
  EXPECT_FALSE(rig.actuator().RestoreAll(v1::RECEIPT_OUTCOME_SHUTDOWN).ok());

  // Patience: far fewer tries than ticks.
  const int writes = rig->writer.writes();
  for (int i = 0; i < 100; ++i) rig.Tick();
  EXPECT_GT(rig->writer.writes(), writes + 1);
  EXPECT_LT(rig->writer.writes(), writes + 10);
  rig->writer.FailFile(rig.tree.Quota("batch/b"), 0);
  for (int i = 0; i < 300; ++i) rig.Tick();
  EXPECT_EQ(rig.tree.Snapshot(), before);
  EXPECT_TRUE(rig.actuator().RestoreAll(v1::RECEIPT_OUTCOME_SHUTDOWN).ok());
}

TEST_P(Failing, FailedRestoreSurvivesACrash) {
  const auto before = rig.tree.Snapshot();
  ASSERT_TRUE(rig.Apply({Quota("q", "batch/b", 0.5)}).accepted());
  rig->writer.FailFile(rig.tree.Quota("batch/b"), EBUSY);
  rig.Apply({});
  rig.Crash();
  EXPECT_FALSE(rig->Restore().ok());
  rig->writer.FailFile(rig.tree.Quota("batch/b"), 0);
  EXPECT_EQ(*rig->Restore(), 1);
  EXPECT_EQ(rig.tree.Snapshot(), before);
}

// A workload whose restore still waits can be acted upon again; its first original is what counts.
TEST_P(Failing, NewActionTakesOverAWaitingOriginal) {
  const auto before = rig.tree.Snapshot();
  ASSERT_TRUE(rig.Apply({Quota("q", "batch/b", 0.5)}).accepted());
  rig->writer.FailFile(rig.tree.Quota("batch/b"), EBUSY);
  rig.Apply({});
  rig->writer.FailFile(rig.tree.Quota("batch/b"), 0);
  ASSERT_TRUE(rig.Apply({Quota("q2", "batch/b", 0.4)}).accepted());
  for (int i = 0; i < 20; ++i) rig.Tick();
  EXPECT_EQ(rig.tree.Get(rig.tree.Quota("batch/b")), rig.tree.QuotaText(0.4)) << "the retry must not undo it";
  ASSERT_TRUE(rig.Apply({}).accepted());
  EXPECT_EQ(rig.tree.Snapshot(), before);
}

TEST_P(Failing, NoJournalNoAction) {
  const auto before = rig.tree.Snapshot();
  rig.actuator();
  for (const FaultyDisk::Call call : {FaultyDisk::Call::kOpen, FaultyDisk::Call::kWrite, FaultyDisk::Call::kSync}) {
    rig->disk.Fail(call, ENOSPC);
    const auto result = rig.Apply({Pin("p", "batch/a", "0")});
    EXPECT_EQ(result.results(0).state(), v1::ACTION_STATE_REFUSED);
    EXPECT_THAT(result.results(0).reason(), HasSubstr("No space left on device"));
    EXPECT_THAT(result.results(0).reason(), HasSubstr("no action is taken without it"));
    EXPECT_EQ(result.results(0).retry_after().seconds(), 10) << "somebody may make room";
    EXPECT_EQ(rig.tree.Snapshot(), before);
    EXPECT_EQ(rig->writer.writes(), 0);
  }
  rig->disk.Fail(FaultyDisk::Call::kNone, 0);
  rig->disk.CutWritesAt(20);
  EXPECT_FALSE(rig.Apply({Pin("p", "batch/a", "0")}).accepted());
  EXPECT_EQ(rig->writer.writes(), 0);
  rig->disk.CutWritesAt(static_cast<size_t>(-1));
  EXPECT_TRUE(rig.Apply({Pin("p", "batch/a", "0")}).accepted());
}

// A disk that becomes full while actions are held must not keep them from being released.
TEST_P(Failing, FullDiskDoesNotStopARestore) {
  const auto before = rig.tree.Snapshot();
  ASSERT_TRUE(rig.Apply({Pin("p", "batch/a", "0"), Quota("q", "batch/b", 0.5)}).accepted());
  rig->disk.Fail(FaultyDisk::Call::kWrite, ENOSPC);
  ASSERT_TRUE(rig.Apply({}).accepted());
  EXPECT_EQ(rig.tree.Snapshot(), before);
  // What somebody sets afterwards is not undone by a stale journal.
  rig.tree.Put(rig.tree.Quota("batch/b"), rig.tree.QuotaText(2));
  rig.Crash();
  rig->disk.Fail(FaultyDisk::Call::kNone, 0);
  EXPECT_EQ(*rig->Restore(), 0);
  EXPECT_EQ(rig.tree.Get(rig.tree.Quota("batch/b")), rig.tree.QuotaText(2));
}

TEST_P(Failing, ResetControlIsWrittenAgainWithPatienceThenGivenUp) {
  ASSERT_TRUE(rig.Apply({Quota("q", "batch/b", 0.5)}).accepted());
  rig.actuator().TakeEvents();
  const std::string file = rig.tree.Quota("batch/b");
  const std::string theirs = rig.tree.QuotaText(2);
  // Seconds that pass from each reset to the rewrite: the backoff, doubled each time.
  for (const int backoff : {5, 10, 20}) {
    rig.tree.Put(file, theirs);
    rig.Tick();  // noticed
    EXPECT_THAT(Kinds(rig.actuator().TakeEvents()), Contains("control_reset"));
    for (int second = 1; second < backoff; ++second) {
      ASSERT_TRUE(rig.Apply({Quota("q", "batch/b", 0.5)}).accepted()) << "a renewal does not cut the wait short";
      rig.Tick();
      ASSERT_EQ(rig.tree.Get(file), theirs) << backoff << " " << second;
    }
    rig.Tick();
    ASSERT_EQ(rig.tree.Get(file), rig.tree.QuotaText(0.5)) << backoff;
  }
  rig.tree.Put(file, theirs);
  rig.Tick();
  EXPECT_EQ(rig.tree.Get(file), theirs) << "left to whoever insists";
  EXPECT_THAT(rig.actuator().held(), IsEmpty());
  EXPECT_THAT(Kinds(rig.actuator().TakeEvents()), Contains("control_given_up"));
  EXPECT_THAT(rig.actuator().TakeReceipts()[0].detail(), HasSubstr("somebody else"));
  EXPECT_THAT(rig.Apply({Quota("q", "batch/b", 0.5)}).results(0).reason(), HasSubstr("not tried again for"));
  rig.Crash();
  EXPECT_EQ(*rig->Restore(), 0) << "it is not ours to restore any more";
  EXPECT_EQ(rig.tree.Get(file), theirs);
}

// The same content in other words is no reset.
TEST_P(Failing, EqualContentIsNoReset) {
  ASSERT_TRUE(rig.Apply({Pin("p", "batch/b", "0-2")}).accepted());
  rig.actuator().TakeEvents();
  rig.tree.Put(rig.tree.Cpus("batch/b"), "0,1,2\n");
  rig.Tick();
  EXPECT_THAT(rig.actuator().TakeEvents(), IsEmpty());
}

TEST_P(Failing, ActionThatDoesNotHelpIsRevertedAndNotRepeated) {
  const auto before = rig.tree.Snapshot();
  // It has just begun; by what it was on average before the action, nothing would ever help.
  rig->workloads["web"].slowdown_since_onset = 0.5;
  rig->workloads["web"].slowdown_ratio = 0.3;
  rig->workloads["batch/b"].cpu_usage_cores = 2;
  const auto action = For("web", Quota("q", "batch/b", 0.5));
  ASSERT_TRUE(rig.Apply({action}).accepted());
  rig->workloads["batch/b"].cpu_usage_cores = 0.5;
  rig->workloads["web"].slowdown_ratio = 0.5;
  for (int i = 0; i < 19; ++i) rig.Tick();
  EXPECT_EQ(rig.actuator().held().size(), 1u);
  rig.Tick();
  EXPECT_EQ(rig.tree.Snapshot(), before);
  const auto receipts = rig.actuator().TakeReceipts();
  ASSERT_EQ(receipts.size(), 1u);
  EXPECT_EQ(receipts[0].outcome(), v1::RECEIPT_OUTCOME_REVERTED);
  EXPECT_DOUBLE_EQ(receipts[0].cost_core_seconds(), 20 * 1.5);
  EXPECT_DOUBLE_EQ(receipts[0].victim_slowdown_before(), 0.5);
  EXPECT_DOUBLE_EQ(receipts[0].victim_slowdown_after(), 0.5);
  const v1::ActionResult refused = rig.Apply({action}).results(0);
  EXPECT_THAT(refused.reason(), HasSubstr("did not help web"));
  EXPECT_EQ(refused.retry_after().seconds(), 600);
  EXPECT_TRUE(rig.Apply({For("web", Pin("p", "batch/b", "0"))}).accepted()) << "another lever may";
  rig->clock.Advance(absl::Minutes(4));
  EXPECT_EQ(rig.Apply({action}).results(0).retry_after().seconds(), 360) << "what is left";
  rig->clock.Advance(absl::Minutes(6));
  EXPECT_TRUE(rig.Apply({action}).accepted());
}

TEST_P(Failing, ActionThatHelpsStaysAlsoWhenItIsReplaced) {
  rig->workloads["web"].slowdown_since_onset = 0.5;
  rig->workloads["web"].slowdown_ratio = 0.3;
  ASSERT_TRUE(rig.Apply({For("web", Quota("q1", "batch/b", 0.5))}).accepted());
  // Helped, though it is no less than what the mean was.
  rig->workloads["web"].slowdown_ratio = 0.3;
  for (int i = 0; i < 15; ++i) rig.Tick();
  // The victim is almost well by now; the successor must not be judged against that.
  ASSERT_TRUE(rig.Apply({For("web", Quota("q2", "batch/b", 0.4))}).accepted());
  for (int i = 0; i < 29; ++i) rig.Tick();
  ASSERT_EQ(rig.actuator().held().size(), 1u);
  ASSERT_TRUE(rig.Apply({}).accepted());
  const auto receipts = rig.actuator().TakeReceipts();
  EXPECT_EQ(receipts.back().outcome(), v1::RECEIPT_OUTCOME_RELEASED);
  EXPECT_DOUBLE_EQ(receipts.back().victim_slowdown_before(), 0.5);
  EXPECT_DOUBLE_EQ(receipts.back().victim_slowdown_after(), 0.3);
}

INSTANTIATE_TEST_SUITE_P(Trees, Failing, testing::Values(TreeKind::kV1, TreeKind::kHybrid, TreeKind::kV2),
                         TreeParamName);

}  // namespace
}  // namespace truce::agent
