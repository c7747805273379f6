// What is particular to v2 and to v1 trees: forms of contents, quotas above and below, cpusets that every nested cgroup
// holds for itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/agent/act/rig.h"

namespace truce::agent {
namespace {

using testing::Contains;
using testing::HasSubstr;

// An empty cpuset.cpus of v2 is a line without content, and is put back as that.
TEST(ActingV2, EmptyCpusetIsRestoredAsALine) {
  Rig rig(TreeKind::kV2);
  ASSERT_EQ(rig.tree.Get("batch/b/cpuset.cpus"), "\n");
  ASSERT_TRUE(rig.Apply({Pin("p", "batch/b", "1")}).accepted());
  ASSERT_TRUE(rig.Apply({}).accepted());
  EXPECT_EQ(rig.tree.Get("batch/b/cpuset.cpus"), "\n");
}

TEST(ActingV2, PeriodIsKept) {
  Rig rig(TreeKind::kV2);
  rig.tree.Put("batch/b/cpu.max", "max 20000\n");
  ASSERT_TRUE(rig.Apply({Quota("q", "batch/b", 0.5)}).accepted());
  EXPECT_EQ(rig.tree.Get("batch/b/cpu.max"), "10000 20000\n");
  rig.tree.Put("batch/a/cpu.max", "max 5000\n");
  EXPECT_THAT(rig.Apply({Quota("q", "batch/b", 0.5), Quota("q2", "batch/a", 0.1)}).results(1).reason(),
              HasSubstr("smallest quota is 1000 us"));
}

TEST(ActingV1, QuotaRespectsTheCgroupsAboveAndBelow) {
  Rig rig(TreeKind::kV1);
  rig.tree.Put("cpu/batch/cpu.cfs_quota_us", "100000\n");
  EXPECT_THAT(rig.Apply({Quota("q", "batch/b", 1.5)}).results(0).reason(),
              HasSubstr("more than the 1 cores of batch above it"));
  rig.tree.Put("cpu/batch/a/nested/cpu.cfs_quota_us", "80000\n");
  EXPECT_THAT(rig.Apply({Quota("q", "batch/a", 0.5)}).results(0).reason(),
              HasSubstr("less than the 0.8 cores of batch/a/nested nested in it"));
  EXPECT_TRUE(rig.Apply({Quota("q", "batch/a", 0.9), Quota("q2", "batch/b", 1)}).accepted());
}

TEST(ActingV1, PinsOfNestedWorkloadsDoNotShareFiles) {
  Rig rig(TreeKind::kV1);
  const auto before = rig.tree.Snapshot();
  rig->Live("batch/a/nested");
  const auto result = rig.Apply({Pin("outer", "batch/a", "0-1"), Pin("inner", "batch/a/nested", "0")});
  EXPECT_EQ(result.results(0).state(), v1::ACTION_STATE_APPLIED);
  EXPECT_THAT(result.results(1).reason(), HasSubstr("held by another action, cpu_pin batch/a"));
  EXPECT_TRUE(rig.Apply({}).accepted());
  EXPECT_EQ(rig.tree.Snapshot(), before);
}

// A cgroup made below a v1 pin holds the pin as its own: the next tick finds it, and the release frees it too.
TEST(ActingV1, NestedCgroupMadeUnderAPinIsFreedWithIt) {
  Rig rig(TreeKind::kV1);
  ASSERT_TRUE(rig.Apply({Pin("p", "batch/a", "0")}).accepted());
  rig.tree.AddCgroup("batch/a/inherits", "0");
  rig.tree.AddCgroup("batch/a/escapes", "0-3");
  rig.Tick();
  EXPECT_EQ(rig.tree.Get("cpuset/batch/a/escapes/cpuset.cpus"), "0\n");
  EXPECT_THAT(Kinds(rig.actuator().TakeEvents()), Contains("action_extended"));
  ASSERT_TRUE(rig.Apply({Pin("p", "batch/a", "2")}).accepted());
  EXPECT_EQ(rig.tree.Get("cpuset/batch/a/inherits/cpuset.cpus"), "2\n");
  ASSERT_TRUE(rig.Apply({}).accepted());
  EXPECT_EQ(rig.tree.Get("cpuset/batch/a/inherits/cpuset.cpus"), "0-3\n");
  EXPECT_EQ(rig.tree.Get("cpuset/batch/a/escapes/cpuset.cpus"), "0-3\n");
}

// The same when nobody was there to find it: made after the last tick, or while the agent was dead.
TEST(ActingV1, NestedCgroupMadeUnseenIsFreedByRestore) {
  Rig rig(TreeKind::kV1);
  ASSERT_TRUE(rig.Apply({Pin("p", "batch/a", "0")}).accepted());
  rig.Crash();
  rig.tree.AddCgroup("batch/a/nested/late", "0");
  ASSERT_TRUE(rig->Restore().ok());
  EXPECT_EQ(rig.tree.Get("cpuset/batch/a/nested/late/cpuset.cpus"), "0-1\n") << "what the nearest cgroup above had";
}

// The kernel refuses CPUs that are offline by now, and would have taken them out itself.
TEST(ActingV1, RestoresWhatIsLeftOfACpusetWhenCpusWentOffline) {
  Rig rig(TreeKind::kV1);
  ASSERT_EQ(rig.tree.Get(rig.tree.Cpus("batch/b")), "0-3\n");
  ASSERT_TRUE(rig.Apply({Pin("p", "batch/b", "0")}).accepted());
  rig.tree.Put("cpuset/cpuset.cpus", "0-2\n");
  rig->writer.FailWrite(1, EINVAL);
  ASSERT_TRUE(rig.Apply({}).accepted());
  EXPECT_EQ(rig.tree.Get(rig.tree.Cpus("batch/b")), "0-2\n");
  const auto receipts = rig.actuator().TakeReceipts();
  ASSERT_EQ(receipts.size(), 1u);
  EXPECT_EQ(receipts[0].outcome(), v1::RECEIPT_OUTCOME_RELEASED) << receipts[0].detail();
}

TEST(ActingV1, NestedCgroupThatVanishesIsForgotten) {
  Rig rig(TreeKind::kV1);
  ASSERT_TRUE(rig.Apply({Pin("p", "batch/a", "0")}).accepted());
  rig.tree.RemoveCgroup("batch/a/other");
  rig.Tick();
  rig.Tick();
  ASSERT_TRUE(rig.Apply({}).accepted());
  const auto receipts = rig.actuator().TakeReceipts();
  ASSERT_EQ(receipts.size(), 1u);
  EXPECT_EQ(receipts[0].outcome(), v1::RECEIPT_OUTCOME_RELEASED);
  EXPECT_EQ(receipts[0].changes_size(), 3);
}

}  // namespace
}  // namespace truce::agent
