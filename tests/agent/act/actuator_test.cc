// The life of leased actions on v1, hybrid and v2 trees: applied, proved, renewed, changed, released, restored.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <utility>

#include "src/host/inventory.h"
#include "tests/agent/act/rig.h"

namespace truce::agent {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using Acting = OnEveryTree;

TEST_P(Acting, AppliesAndReleasesByteForByte) {
  const auto before = rig.tree.Snapshot();
  const auto result = rig.Apply({Pin("p", "batch/a", "0-1"), Quota("q", "batch/b", 0.5)});
  ASSERT_TRUE(result.accepted()) << result.ShortDebugString();
  EXPECT_EQ(result.version(), 7u);
  EXPECT_EQ(result.nonce(), "n");
  EXPECT_EQ(result.results(0).state(), v1::ACTION_STATE_APPLIED);
  EXPECT_EQ(rig.tree.Get(rig.tree.Cpus("batch/a")), "0-1\n");
  EXPECT_EQ(rig.tree.Get(rig.tree.Quota("batch/b")), rig.tree.QuotaText(0.5));
  EXPECT_EQ(rig.actuator().held().size(), 2u);

  EXPECT_TRUE(rig.Apply({}).accepted());
  EXPECT_EQ(rig.tree.Snapshot(), before);
  EXPECT_THAT(rig.actuator().held(), IsEmpty());
  const auto receipts = rig.actuator().TakeReceipts();
  ASSERT_EQ(receipts.size(), 2u);
  EXPECT_EQ(receipts[0].action().lease_id(), "q") << "the last applied is the first restored";
  EXPECT_EQ(receipts[0].outcome(), v1::RECEIPT_OUTCOME_RELEASED);
  ASSERT_EQ(receipts[0].changes_size(), 1);
  EXPECT_EQ(receipts[0].changes(0).file(), rig.tree.Quota("batch/b"));
  EXPECT_EQ(receipts[0].changes(0).original(), rig.tree.QuotaText(-1));
  EXPECT_EQ(receipts[0].changes(0).written(), rig.tree.QuotaText(0.5));
  EXPECT_EQ(receipts[0].changes(0).restored(), rig.tree.QuotaText(-1));
  EXPECT_THAT(Kinds(rig.actuator().TakeEvents()),
              ElementsAre("action_applied", "action_applied", "action_released", "action_released"));
  EXPECT_THAT(rig.actuator().TakeReceipts(), IsEmpty());
}

TEST_P(Acting, NestedCgroupsFollowThePinWhereTheyHoldTheirOwnCopy) {
  ASSERT_TRUE(rig.Apply({Pin("p", "batch/a", "0")}).accepted());
  const bool v1 = rig.tree.v1();
  EXPECT_EQ(rig.tree.Get(rig.tree.Cpus("batch/a")), "0\n");
  EXPECT_EQ(rig.tree.Get(rig.tree.Cpus("batch/a/nested")), v1 ? "0\n" : "0-1\n");
  EXPECT_EQ(rig.tree.Get(rig.tree.Cpus("batch/a/nested/deeper")), v1 ? "0\n" : "1\n");
  EXPECT_EQ(rig.tree.Get(rig.tree.Cpus("batch/a/other")), v1 ? "0\n" : "2-3\n");
}

TEST_P(Acting, RenewalKeepsALeaseAliveAndItsEndRestores) {
  const auto before = rig.tree.Snapshot();
  ASSERT_TRUE(rig.Apply({Quota("q", "batch/b", 0.5)}).accepted());
  for (int i = 0; i < 10; ++i) {
    rig.Tick(absl::Seconds(25));
    ASSERT_TRUE(rig.Apply({Quota("q", "batch/b", 0.5)}).accepted());
  }
  EXPECT_EQ(rig.actuator().held()[0].remaining().seconds(), 30);
  EXPECT_THAT(rig.actuator().TakeReceipts(), IsEmpty());
  rig->clock.JumpWallTime(absl::Hours(5));
  rig.Tick(absl::Milliseconds(29'900));
  EXPECT_EQ(rig.actuator().held().size(), 1u) << "wall time has no say in leases";
  rig.Tick(absl::Milliseconds(100));
  EXPECT_EQ(rig.tree.Snapshot(), before);
  EXPECT_EQ(rig.actuator().TakeReceipts()[0].outcome(), v1::RECEIPT_OUTCOME_EXPIRED);
}

TEST_P(Acting, TightenedActionKeepsItsFirstOriginal) {
  const auto before = rig.tree.Snapshot();
  ASSERT_TRUE(rig.Apply({Quota("q", "batch/b", 0.5), Pin("p", "batch/a", "0-1")}).accepted());
  ASSERT_TRUE(rig.Apply({Quota("q", "batch/b", 0.25), Pin("p", "batch/a", "2-3")}).accepted());
  EXPECT_EQ(rig.tree.Get(rig.tree.Quota("batch/b")), rig.tree.QuotaText(0.25));
  EXPECT_EQ(rig.tree.Get(rig.tree.Cpus("batch/a")), "2-3\n");
  // Loosened to the very value that was there first, it is still held.
  ASSERT_TRUE(rig.Apply({Quota("q", "batch/b", 3), Pin("p", "batch/a", "0-3")}).accepted());
  EXPECT_THAT(rig.actuator().TakeReceipts(), IsEmpty()) << "one lease, one receipt";
  EXPECT_EQ(rig.actuator().held()[0].action().quota_cores(), 3);
  ASSERT_TRUE(rig.Apply({}).accepted());
  EXPECT_EQ(rig.tree.Snapshot(), before);
}

TEST_P(Acting, AnotherLeaseForTheSameControlReplaces) {
  const auto before = rig.tree.Snapshot();
  ASSERT_TRUE(rig.Apply({Quota("q1", "batch/b", 0.5)}).accepted());
  ASSERT_TRUE(rig.Apply({Quota("q2", "batch/b", 0.3)}).accepted());
  const auto receipts = rig.actuator().TakeReceipts();
  ASSERT_EQ(receipts.size(), 1u);
  EXPECT_EQ(receipts[0].outcome(), v1::RECEIPT_OUTCOME_REPLACED);
  EXPECT_EQ(receipts[0].action().lease_id(), "q1");
  EXPECT_EQ(receipts[0].changes(0).restored(), "") << "nothing was restored in between";
  ASSERT_EQ(rig.actuator().held().size(), 1u);
  EXPECT_EQ(rig.actuator().held()[0].action().lease_id(), "q2");
  ASSERT_TRUE(rig.Apply({}).accepted());
  EXPECT_EQ(rig.tree.Snapshot(), before);
}

TEST_P(Acting, AdviseTouchesNothing) {
  const auto before = rig.tree.Snapshot();
  rig->workloads["batch/b"].mode = v1::MODE_ADVISE;
  for (int i = 0; i < 3; ++i) {
    const auto result = rig.Apply({Quota("q", "batch/b", 0.5)});
    EXPECT_TRUE(result.accepted());
    EXPECT_EQ(result.results(0).state(), v1::ACTION_STATE_ADVISED);
  }
  EXPECT_EQ(rig.tree.Snapshot(), before);
  EXPECT_FALSE(std::filesystem::exists(rig->journal_file()));
  EXPECT_THAT(Kinds(rig.actuator().TakeEvents()), ElementsAre("action_advised")) << "said once, not at every renewal";
  // And what would be refused is said to be refused.
  EXPECT_EQ(rig.Apply({Pin("p", "batch/b", "9")}).results(0).state(), v1::ACTION_STATE_REFUSED);
}

TEST_P(Acting, ModeThatIsLoweredReleases) {
  const auto before = rig.tree.Snapshot();
  ASSERT_TRUE(rig.Apply({Quota("q", "batch/b", 0.5)}).accepted());
  rig->workloads["batch/b"].mode = v1::MODE_ADVISE;
  EXPECT_EQ(rig.Apply({Quota("q", "batch/b", 0.5)}).results(0).state(), v1::ACTION_STATE_ADVISED);
  EXPECT_EQ(rig.tree.Snapshot(), before);

  rig->workloads["batch/b"].mode = v1::MODE_ENFORCE;
  ASSERT_TRUE(rig.Apply({Quota("q", "batch/b", 0.5)}).accepted());
  rig->workloads["batch/b"].mode = v1::MODE_OBSERVE;
  rig.Tick();
  EXPECT_EQ(rig.tree.Snapshot(), before) << "no need to wait for the next set";
}

TEST_P(Acting, WorkloadThatBecomesCriticalIsFreedAtOnce) {
  const auto before = rig.tree.Snapshot();
  ASSERT_TRUE(rig.Apply({Quota("q", "batch/b", 0.5)}).accepted());
  rig->workloads["batch/b"].workload_class = v1::WORKLOAD_CLASS_CRITICAL;
  rig.Tick();
  EXPECT_EQ(rig.tree.Snapshot(), before);
  EXPECT_EQ(rig.Apply({Quota("q", "batch/b", 0.5)}).results(0).state(), v1::ACTION_STATE_REFUSED);
}

TEST_P(Acting, HoldRestoresEverythingAndRefuses) {
  const auto before = rig.tree.Snapshot();
  const std::vector<v1::LeasedAction> actions = {Pin("p", "batch/a", "0"), Quota("q", "batch/b", 0.5)};
  ASSERT_TRUE(rig.Apply(actions).accepted());
  const auto result = rig.Apply(actions, /*hold=*/true);
  EXPECT_FALSE(result.accepted());
  EXPECT_THAT(result.results(0).reason(), HasSubstr("on hold"));
  EXPECT_EQ(rig.tree.Snapshot(), before);
  EXPECT_EQ(rig.actuator().TakeReceipts()[0].outcome(), v1::RECEIPT_OUTCOME_HELD);
  EXPECT_TRUE(rig.Apply(actions).accepted()) << "resumed";
}

TEST_P(Acting, RefusedActionDoesNotStopTheOthers) {
  rig->workloads["batch/a"].workload_class = v1::WORKLOAD_CLASS_CRITICAL;
  const auto result = rig.Apply({Pin("p", "batch/a", "0"), Quota("q", "batch/b", 0.5), Quota("q2", "batch/b", 0.7)});
  EXPECT_FALSE(result.accepted());
  EXPECT_EQ(result.results(0).state(), v1::ACTION_STATE_REFUSED);
  EXPECT_EQ(result.results(1).state(), v1::ACTION_STATE_APPLIED);
  EXPECT_EQ(result.results(2).state(), v1::ACTION_STATE_REFUSED);
  EXPECT_EQ(rig.tree.Get(rig.tree.Quota("batch/b")), rig.tree.QuotaText(0.5)) << "the first of two holds";
  rig.Apply({Quota("q", "batch/b", 0.5), Quota("q2", "batch/b", 0.7)});
  EXPECT_EQ(rig.actuator().held().size(), 1u) << "and goes on holding";
}

// A value that can't be had is no reason to free an aggressor: the value before stays, under the renewed lease.
TEST_P(Acting, BadNewValueLeavesTheOldOneInForce) {
  ASSERT_TRUE(rig.Apply({Quota("q", "batch/b", 0.5)}).accepted());
  rig.Tick(absl::Seconds(20));
  EXPECT_EQ(rig.Apply({Quota("q", "batch/b", 0.01)}).results(0).state(), v1::ACTION_STATE_REFUSED);
  rig.Tick(absl::Seconds(20));
  EXPECT_EQ(rig.tree.Get(rig.tree.Quota("batch/b")), rig.tree.QuotaText(0.5));
  EXPECT_EQ(rig.actuator().held()[0].action().quota_cores(), 0.5);
}

TEST_P(Acting, NeverWidensWhatTheOperatorConfigured) {
  rig.tree.AddCgroup("batch/c", "0-1", rig.tree.v1() ? "100000" : "100000 100000");
  rig->Live("batch/c");
  auto result = rig.Apply({Pin("p", "batch/c", "1-2"), Quota("q", "batch/c", 2)});
  EXPECT_THAT(result.results(0).reason(), HasSubstr("CPU 2 is outside the workload's own CPUs, 0-1"));
  EXPECT_THAT(result.results(1).reason(), HasSubstr("more than the 1 cores"));
  // While it is held too: the bound is the original, not what Truce wrote.
  ASSERT_TRUE(rig.Apply({Pin("p", "batch/c", "0"), Quota("q", "batch/c", 0.5)}).accepted());
  EXPECT_TRUE(rig.Apply({Pin("p", "batch/c", "1"), Quota("q", "batch/c", 1)}).accepted());
  EXPECT_FALSE(rig.Apply({Pin("p", "batch/c", "2"), Quota("q", "batch/c", 1)}).accepted());
}

TEST_P(Acting, PinStaysWithinHostAndParent) {
  rig.tree.AddCgroup("narrow", "1-2");
  rig.tree.AddCgroup("narrow/x", "1-2");
  rig->Live("narrow/x");
  EXPECT_THAT(rig.Apply({Pin("p", "narrow/x", "7")}).results(0).reason(), HasSubstr("CPU 7 does not exist"));
  EXPECT_THAT(rig.Apply({Pin("p", "narrow/x", "0")}).results(0).reason(), HasSubstr("the parent cgroup, 1-2"));
  EXPECT_TRUE(rig.Apply({Pin("p", "narrow/x", "2")}).accepted());
}

TEST_P(Acting, MissingControllerIsRefusedWithARemedy) {
  std::filesystem::remove_all(rig.tree.root() + "/" + (rig.tree.v1() ? "cpuset/batch/b" : "batch/b/cpuset.cpus"));
  std::filesystem::remove_all(rig.tree.root() + "/" + (rig.tree.v1() ? "cpu/batch/b" : "batch/b/cpu.max"));
  rig->Live("batch/b");
  const auto result = rig.Apply({Pin("p", "batch/b", "0"), Quota("q", "batch/b", 0.5)});
  EXPECT_THAT(result.results(0).reason(), HasSubstr("no cpuset controller on batch/b"));
  EXPECT_THAT(result.results(1).reason(), HasSubstr("no cpu controller on batch/b"));
  EXPECT_THAT(result.results(0).reason(),
              HasSubstr(rig.tree.v1() ? "the v1 cpuset tree has no such cgroup" : "cgroup.subtree_control"));
}

TEST_P(Acting, GoneWorkloadIsWrittenOff) {
  ASSERT_TRUE(rig.Apply({Pin("p", "batch/a", "0"), Quota("q", "batch/b", 0.5)}).accepted());
  rig.tree.RemoveCgroup("batch/b");
  rig.Tick();
  auto receipts = rig.actuator().TakeReceipts();
  ASSERT_EQ(receipts.size(), 1u);
  EXPECT_EQ(receipts[0].outcome(), v1::RECEIPT_OUTCOME_WORKLOAD_GONE);
  rig.tree.RemoveCgroup("batch/a");
  EXPECT_TRUE(rig.actuator().RestoreAll(v1::RECEIPT_OUTCOME_SHUTDOWN).ok());
  EXPECT_EQ(rig.actuator().TakeReceipts()[0].outcome(), v1::RECEIPT_OUTCOME_WORKLOAD_GONE);
}

// A cgroup made anew under the name of one that Truce changed is none of its business, live or after a crash.
TEST_P(Acting, AnotherInstanceIsLeftAlone) {
  ASSERT_TRUE(rig.Apply({Quota("q", "batch/b", 0.5)}).accepted());
  // Kept under another name, so that its inode can't be used again.
  for (const char* tree : {"", "cpu/", "cpuset/", "memory/", "unified/"}) {
    const std::string directory = rig.tree.root() + "/" + tree + "batch/b";
    if (std::filesystem::exists(directory)) std::filesystem::rename(directory, directory + ".old");
  }
  rig.tree.AddCgroup("batch/b", "", rig.tree.v1() ? "70000" : "70000 100000");
  const auto anew = rig.tree.Snapshot();
  rig.Crash();
  const auto restored = rig->Restore();
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(*restored, 0);
  EXPECT_EQ(rig.tree.Snapshot(), anew);
  // The set that still names the old instance is refused.
  v1::LeasedAction action = Quota("q", "batch/b", 0.5);
  action.set_workload_instance(rig->workloads["batch/b"].instance);
  rig->Live("batch/b");
  EXPECT_THAT(rig.Apply({action}).results(0).reason(), HasSubstr("removed and made again"));
}

TEST_P(Acting, CrashIsRestoredAtTheNextStartWithReceipts) {
  const auto before = rig.tree.Snapshot();
  ASSERT_TRUE(rig.Apply({For("web", Pin("p", "batch/a", "0")), Quota("q", "batch/b", 0.5)}).accepted());
  rig.Crash();
  EXPECT_NE(rig.tree.Snapshot(), before);
  EXPECT_THAT(rig.actuator().held(), IsEmpty());
  EXPECT_EQ(rig.tree.Snapshot(), before);
  const auto receipts = rig.actuator().TakeReceipts();
  ASSERT_EQ(receipts.size(), 2u);
  EXPECT_EQ(receipts[0].action().lease_id(), "q");
  EXPECT_EQ(receipts[1].action().lease_id(), "p");
  EXPECT_EQ(receipts[1].action().victim(), "web");
  EXPECT_EQ(receipts[1].outcome(), v1::RECEIPT_OUTCOME_SHUTDOWN);
  EXPECT_EQ(receipts[0].changes(0).restored(), rig.tree.QuotaText(-1));
  EXPECT_THAT(Kinds(rig.actuator().TakeEvents()), Contains("journal_restored"));
}

TEST_P(Acting, DamagedJournalStillRestoresWhatItCan) {
  ASSERT_TRUE(rig.Apply({Quota("qa", "batch/a", 0.5), Quota("qb", "batch/b", 0.5)}).accepted());
  rig.Crash();
  std::string text;
  {
    std::ifstream in(rig->journal_file());
    text.assign(std::istreambuf_iterator<char>(in), {});
  }
  const size_t intent = text.find("intent\tcpu_quota batch/a");
  ASSERT_NE(intent, std::string::npos);
  text[intent] = 'X';
  std::ofstream(rig->journal_file(), std::ios::trunc) << text;
  const auto restored = rig->Restore();
  EXPECT_TRUE(absl::IsDataLoss(restored.status())) << restored.status();
  EXPECT_THAT(std::string(restored.status().message()), HasSubstr("restored 1 files"));
  EXPECT_EQ(rig.tree.Get(rig.tree.Quota("batch/b")), rig.tree.QuotaText(-1));
  EXPECT_TRUE(rig->Restore().ok()) << "told once";
}

// A cgroup2 kernel takes an empty cpuset.cpus only of a cgroup without tasks.
TEST_P(Acting, PinEndsAlsoWhereTheKernelTakesNoEmptyCpuset) {
  if (GetParam() != TreeKind::kV2) GTEST_SKIP() << "a v1 cpuset is never empty";
  rig->writer.RefuseValue("/cpuset.cpus", "", ENOSPC);
  ASSERT_TRUE(rig.Apply({Pin("p", "batch/b", "2")}).accepted());
  ASSERT_TRUE(rig.Apply({}).accepted());
  EXPECT_EQ(rig.tree.Get(rig.tree.Cpus("batch/b")), *host::PossibleCpus());
  EXPECT_THAT(rig.actuator().held(), IsEmpty());
  const v1::Receipt receipt = rig.actuator().TakeReceipts()[0];
  EXPECT_EQ(receipt.outcome(), v1::RECEIPT_OUTCOME_RELEASED) << receipt.detail();
  EXPECT_EQ(receipt.changes(0).restored(), *host::PossibleCpus()) << "says what it is";
}

TEST_P(Acting, PinThatDoesNotHoldIsUndoneWhereTheKernelTakesNoEmptyCpuset) {
  if (GetParam() != TreeKind::kV2) GTEST_SKIP() << "a v1 cpuset is never empty";
  bool disturbed = false;
  rig->writer.SetHook([&](std::string_view step) {
    if (!step.starts_with("after") || std::exchange(disturbed, true)) return;
    rig.tree.Put(rig.tree.Cpus("batch/b"), "3\n");
    rig->writer.RefuseValue("/cpuset.cpus", "", ENOSPC);
  });
  const auto result = rig.Apply({Pin("p", "batch/b", "2")});
  EXPECT_THAT(result.results(0).reason(), HasSubstr("something else sets it too"));
  EXPECT_THAT(result.results(0).reason(), Not(HasSubstr("undoing it failed")));
  EXPECT_EQ(rig.tree.Get(rig.tree.Cpus("batch/b")), *host::PossibleCpus());
  rig.Crash();
  EXPECT_EQ(*rig->Restore(), 0) << "nothing is outstanding";
}

// The kernel would end a partition whose CPUs another cgroup lists.
TEST_P(Acting, WhatEndsAPinLeavesAPartitionBesideItsCpus) {
  if (GetParam() != TreeKind::kV2) GTEST_SKIP() << "v1 has no partitions";
  rig->writer.RefuseValue("/cpuset.cpus", "", ENOSPC);
  rig.tree.Put("batch/a/cpuset.cpus.partition", "root\n");
  rig.tree.Put("batch/cpuset.cpus.effective", "1-3\n");
  ASSERT_TRUE(rig.Apply({Pin("p", "batch/b", "2")}).accepted());
  ASSERT_TRUE(rig.Apply({}).accepted());
  EXPECT_EQ(rig.tree.Get(rig.tree.Cpus("batch/b")), "1-3");
  EXPECT_THAT(rig.actuator().held(), IsEmpty());
}

TEST_P(Acting, BrakeRefusesTheChangeTooMany) {
  rig->options.changes_per_minute = 2;
  ASSERT_TRUE(rig.Apply({Quota("q", "batch/b", 0.5)}).accepted());
  ASSERT_TRUE(rig.Apply({Quota("q", "batch/b", 0.4)}).accepted());
  EXPECT_THAT(rig.Apply({Quota("q", "batch/b", 0.3)}).results(0).reason(), HasSubstr("at most 2 changes a minute"));
  EXPECT_EQ(rig.tree.Get(rig.tree.Quota("batch/b")), rig.tree.QuotaText(0.4));
  EXPECT_TRUE(rig.Apply({Quota("q", "batch/b", 0.4)}).accepted()) << "a renewal is no change";
  rig->clock.Advance(absl::Minutes(1));
  EXPECT_TRUE(rig.Apply({Quota("q", "batch/b", 0.3)}).accepted());
  EXPECT_TRUE(rig.Apply({}).accepted()) << "and a restore is never braked";
}

TEST_P(Acting, RefusalByTheBrakeSaysWhenThereIsRoomAgain) {
  rig->options.changes_per_minute = 1;
  ASSERT_TRUE(rig.Apply({Quota("q", "batch/b", 0.5)}).accepted());
  const auto retry_after = [this] {
    const auto result = rig.Apply({Quota("q", "batch/b", 0.5), Pin("p", "batch/a", "0")}).results(1);
    EXPECT_EQ(result.state(), v1::ACTION_STATE_REFUSED);
    return result.retry_after().seconds();
  };
  EXPECT_EQ(retry_after(), 60);
  rig->clock.Advance(absl::Seconds(25));
  EXPECT_EQ(retry_after(), 35);
  rig->clock.Advance(absl::Seconds(34));
  EXPECT_EQ(retry_after(), 10) << "one second is left, but asking is not free";
  rig->clock.Advance(absl::Seconds(1));
  EXPECT_TRUE(rig.Apply({Pin("p", "batch/a", "0")}).accepted());
}

TEST_P(Acting, BrakeThatIsNeverOffSaysALongTime) {
  rig->options.changes_per_minute = 0;
  EXPECT_EQ(rig.Apply({Quota("q", "batch/b", 0.5)}).results(0).retry_after().seconds(), 600);
}

TEST_P(Acting, RefusalThatStandsSaysNoTime) {
  rig->workloads["web"].workload_class = v1::WORKLOAD_CLASS_CRITICAL;
  rig->workloads["batch/a"].mode = v1::MODE_OBSERVE;
  rig->workloads["batch/b"].allowed_levers = {v1::LEVER_CPU_PIN};
  const auto result = rig.Apply({Quota("by class", "web", 0.5), Quota("by mode", "batch/a", 0.5),
                                 Quota("by lever", "batch/b", 0.5), Pin("by value", "batch/b", "99")});
  ASSERT_EQ(result.results_size(), 4);
  for (const v1::ActionResult& one : result.results()) {
    EXPECT_EQ(one.state(), v1::ACTION_STATE_REFUSED) << one.lease_id();
    EXPECT_FALSE(one.has_retry_after()) << one.ShortDebugString();
  }
  // Who is gone may be back under its name.
  const v1::ActionResult absent = rig.Apply({Quota("by name", "nobody", 0.5)}).results(0);
  EXPECT_EQ(absent.state(), v1::ACTION_STATE_REFUSED);
  EXPECT_EQ(absent.retry_after().seconds(), 10);
}

TEST_P(Acting, EndlessSetIsRefusedWhole) {
  const auto result = rig.Apply(std::vector<v1::LeasedAction>(5000, Quota("q", "batch/b", 0.5)));
  EXPECT_FALSE(result.accepted());
  EXPECT_THAT(result.reason(), HasSubstr("5000 actions"));
  EXPECT_THAT(result.results(), IsEmpty());
}

TEST_P(Acting, RefusalIsAnEventOnce) {
  for (int i = 0; i < 3; ++i) rig.Apply({Quota("q", "batch/b", 0.01)});
  EXPECT_THAT(Kinds(rig.actuator().TakeEvents()), ElementsAre("action_refused"));
  rig.Apply({Quota("q", "batch/b", 0.02)});
  EXPECT_THAT(Kinds(rig.actuator().TakeEvents()), ElementsAre("action_refused")) << "another reason is another event";
}

TEST_P(Acting, SecondAgentIsRefused) {
  rig.actuator();
  const auto second = OpenActuatorOn(rig->disk, rig->options, rig->layout(), rig->clock, rig->writer);
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status())) << second.status();
  EXPECT_TRUE(absl::IsFailedPrecondition(rig->Restore().status())) << "nor a restore behind a live agent's back";
}

INSTANTIATE_TEST_SUITE_P(Trees, Acting, testing::Values(TreeKind::kV1, TreeKind::kHybrid, TreeKind::kV2),
                         TreeParamName);

}  // namespace
}  // namespace truce::agent
