// THE safety test: a run with an action of every lever is killed with SIGKILL before and after every single step that
// it takes on the journal and on the controls, and each time restore gives back every original byte of every file.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <functional>

#include "tests/agent/act/rig.h"

namespace truce::agent {
namespace {

constexpr int kMostPoints = 2000;  // far more than there are; a bound, so that a broken test ends

// Runs `run` in a forked child that kills itself at its n-th step. Returns whether it was killed; the last step's name
// goes nowhere, since a killed process can't tell it.
bool KilledAt(int n, World& world, const std::function<void()>& run) {
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    int steps = 0;
    auto hook = [&steps, n](std::string_view) {
      if (++steps == n) {
        kill(getpid(), SIGKILL);
        pause();  // not reached: SIGKILL can't be held off
      }
    };
    world.writer.SetHook(hook);
    world.disk.SetHook(hook);
    run();
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  if (WIFSIGNALED(status)) {
    EXPECT_EQ(WTERMSIG(status), SIGKILL);
    return true;
  }
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0) << "the unharmed run itself went wrong";
  return false;
}

// A pin of nested cgroups, an idle workload (whose weight goes along), and one of each other lever.
std::vector<v1::LeasedAction> Actions(TreeKind kind) {
  std::vector<v1::LeasedAction> actions = {Pin("pin-a", "batch/a", "0"),
                                           Quota("quota-a", "batch/a", 1.5),
                                           Quota("quota-b", "batch/b", 0.5),
                                           Follow("follow-web", "web", 0.5, 2),
                                           Weight("weight-b", "batch/b", 10),
                                           Idle("idle-a", "batch/a"),
                                           SqueezeTo("squeeze-b", "batch/b", uint64_t{600} << 20),
                                           CapDisk("disk-b", "batch/b", 10 << 20)};
  if (CountsTraffic(kind)) actions.push_back(CapNetwork("network-b", "batch/b", 1 << 20));
  return actions;
}

void ApplyAllAndTighten(Actuator& actuator, World& world, TreeKind kind) {
  std::vector<v1::LeasedAction> actions = Actions(kind);
  EXPECT_TRUE(actuator.Apply(Set(actions), world.Lookup()).accepted());
  world.clock.Advance(absl::Seconds(3));
  actuator.Tick(world.Lookup());  // and a step of the squeeze
  actions[2].set_quota_cores(0.25);
  const auto result = actuator.Apply(Set(actions), world.Lookup());
  EXPECT_TRUE(result.accepted()) << result.ShortDebugString();
}

// The whole life: opened, all actions, one tightened, all but two released, the rest restored at the end.
void WholeRun(World& world, TreeKind kind) {
  const auto actuator = world.Open();
  ApplyAllAndTighten(*actuator, world, kind);
  const std::vector<v1::LeasedAction> actions = Actions(kind);
  EXPECT_TRUE(actuator->Apply(Set({actions[0], actions[1]}), world.Lookup()).accepted());
  EXPECT_TRUE(actuator->RestoreAll(v1::RECEIPT_OUTCOME_SHUTDOWN).ok());
}

using Killed = OnEveryTree;

// Killed anywhere, restored byte for byte, and restoring twice is harmless.
TEST_P(Killed, RunIsRestoredWhereverItIsKilled) {
  int points = 0;
  for (int n = 1; n < kMostPoints; ++n) {
    Rig fresh(GetParam());
    const auto before = fresh.tree.Snapshot();
    const bool killed = KilledAt(n, fresh.world(), [&] { WholeRun(fresh.world(), GetParam()); });
    const auto restored = fresh->Restore();
    ASSERT_TRUE(restored.ok()) << "step " << n << ": " << restored.status();
    ASSERT_EQ(fresh.tree.Snapshot(), before) << "step " << n;
    const auto again = fresh->Restore();
    ASSERT_TRUE(again.ok()) << "step " << n << ": " << again.status();
    ASSERT_EQ(*again, 0) << "step " << n;
    ASSERT_EQ(fresh.tree.Snapshot(), before) << "step " << n;
    if (!killed) break;
    ++points;
  }
  printf("%s: %d kill points of a run with an action of every lever, every original byte back after each\n",
         TreeKindName(GetParam()).c_str(), points);
  // Each of the actions alone journals (write, sync) and writes at least one control, with a step before and after.
  EXPECT_GT(points, static_cast<int>(Actions(GetParam()).size()) * 6);
  EXPECT_LT(points, kMostPoints - 1);
}

// The same while restoring: by `restore` or by the next start of the agent, itself killed at every step.
TEST_P(Killed, RestoreIsFinishedWhereverItIsKilled) {
  int points = 0;
  for (const bool next_start : {false, true}) {
    for (int n = 1; n < kMostPoints; ++n) {
      Rig fresh(GetParam());
      const auto before = fresh.tree.Snapshot();
      // A run that holds all actions and dies.
      {
        const auto actuator = fresh->Open();
        ApplyAllAndTighten(*actuator, fresh.world(), GetParam());
      }
      ASSERT_NE(fresh.tree.Snapshot(), before);
      const bool killed = KilledAt(n, fresh.world(), [&] {
        if (next_start) {
          fresh->Open();
        } else {
          EXPECT_TRUE(fresh->Restore().ok());
        }
      });
      const auto restored = fresh->Restore();
      ASSERT_TRUE(restored.ok()) << "step " << n << ": " << restored.status();
      ASSERT_EQ(fresh.tree.Snapshot(), before) << "step " << n;
      if (!killed) break;
      ++points;
    }
  }
  printf("%s: %d kill points of a restore\n", TreeKindName(GetParam()).c_str(), points);
  EXPECT_GT(points, 10);
}

INSTANTIATE_TEST_SUITE_P(Trees, Killed, testing::Values(TreeKind::kV1, TreeKind::kHybrid, TreeKind::kV2),
                         TreeParamName);

}  // namespace
}  // namespace truce::agent
