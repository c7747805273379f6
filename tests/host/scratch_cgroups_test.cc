// Cgroups that tools make on the real host: usable in every tree, and all gone afterwards, also after a failure.
#include "src/host/scratch_cgroups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/time/clock.h"
#include "src/base/child_process.h"
#include "src/base/text.h"
#include "tests/fixtures/tree.h"

namespace truce::host {
namespace {

class ScratchCgroupsTest : public testing::Test {
 protected:
  void SetUp() override {
    auto layout = CgroupLayout::Detect("/sys/fs/cgroup");
    if (!layout.ok()) GTEST_SKIP() << layout.status();
    // In a container, or as an ordinary user, the trees are often not writable.
    auto probe = ScratchCgroups::Create(*layout, name_ + "-probe");
    if (!probe.ok()) GTEST_SKIP() << "cannot make cgroups here: " << probe.status() << "; run it as root on a host";
    ASSERT_TRUE(probe->Remove().ok());
    layout_ = *std::move(layout);
    before_ = RootState();
  }
  void TearDown() override {
    if (!layout_) return;
    for (const Hierarchy& hierarchy : layout_->hierarchies()) {
      struct stat status {};
      const std::string path = StrCat(layout_->root(), "/", hierarchy.directory, "/", name_);
      EXPECT_NE(stat(path.c_str(), &status), 0) << path << " was left behind";
    }
    EXPECT_EQ(RootState(), before_) << "controllers that were switched on at the root stayed on";
  }

  std::string RootState() const {
    std::string state;
    for (const Hierarchy& hierarchy : layout_->hierarchies()) {
      if (hierarchy.version != 2) continue;
      state += ReadFile(StrCat(layout_->root(), "/", hierarchy.directory, "/cgroup.subtree_control")).value_or("");
    }
    return state;
  }
  absl::StatusOr<ScratchCgroups> Create() const { return ScratchCgroups::Create(*layout_, name_); }
  std::vector<std::string> Where(const std::string& path) const {
    std::vector<std::string> there;
    for (const Hierarchy& hierarchy : layout_->hierarchies()) {
      struct stat status {};
      if (stat(StrCat(layout_->root(), "/", hierarchy.directory, "/", path).c_str(), &status) == 0) {
        there.push_back(hierarchy.directory);
      }
    }
    return there;
  }

  const std::string name_ = StrCat("truce-test-", getpid());
  std::optional<CgroupLayout> layout_;
  std::string before_;
};

TEST_F(ScratchCgroupsTest, AnIdleChildTakesWhatNobodyElseWants) {
  const auto tree = layout_->hierarchy_of(Controller::kCpu);
  if (!tree) GTEST_SKIP() << "no cgroup tree has the cpu controller";
  auto scratch = Create();
  ASSERT_TRUE(scratch.ok()) << scratch.status();
  ASSERT_TRUE(scratch->Add("child").ok());
  const absl::Status idle = scratch->SetIdle("child");
  ASSERT_TRUE(idle.ok()) << idle;
  const Hierarchy& hierarchy = layout_->hierarchies()[*tree];
  const std::string directory = StrCat(layout_->root(), "/", hierarchy.directory, "/", name_, "/child/");
  const auto flag = ReadFile(directory + "cpu.idle");
  if (flag.ok()) {
    EXPECT_EQ(*flag, "1\n");
  } else {
    EXPECT_EQ(ReadFile(directory + (hierarchy.version == 2 ? "cpu.weight" : "cpu.shares")).value_or(""),
              hierarchy.version == 2 ? "1\n" : "2\n");
  }
}

TEST_F(ScratchCgroupsTest, AChildIsInEveryTreeTakesAProcessAndGoesAway) {
  auto scratch = Create();
  ASSERT_TRUE(scratch.ok()) << scratch.status();
  const auto path = scratch->Add("child");
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_EQ(*path, name_ + "/child");
  EXPECT_EQ(Where(*path).size(), layout_->hierarchies().size());

  auto process =
      ChildProcess::Start({.arguments = {"sleep", "1000"}, .before_exec = [&] { return scratch->Enter("child", 0); }});
  ASSERT_TRUE(process.ok()) << process.status();
  ASSERT_TRUE(scratch->Enter("child", process->pid()).ok()) << "entering twice is harmless";
  ReadBuffer buffer;
  auto cgroup = Cgroup::Open(*layout_, *path);
  ASSERT_TRUE(cgroup.ok()) << cgroup.status();
  for (Controller controller : {Controller::kCpu, Controller::kMemory, Controller::kUnified}) {
    if (!(*cgroup)->has(controller)) continue;
    EXPECT_EQ(FirstNumber(*(*cgroup)->Read(controller, "cgroup.procs", buffer)), process->pid())
        << ControllerName(controller);
  }
  process->Kill();
}

TEST_F(ScratchCgroupsTest, RemoveAfterTheProcessesEndedSucceedsAndAgainIsHarmless) {
  auto scratch = Create();
  ASSERT_TRUE(scratch.ok()) << scratch.status();
  ASSERT_TRUE(scratch->Add("child").ok());
  EXPECT_FALSE(scratch->SnapshotControls("child").empty());
  EXPECT_EQ(scratch->SnapshotControls("child"), scratch->SnapshotControls("child"));
  EXPECT_TRUE(scratch->Remove().ok());
  EXPECT_TRUE(Where(name_).empty());
  EXPECT_TRUE(scratch->Remove().ok());
}

TEST_F(ScratchCgroupsTest, ANameThatSomebodyHasIsRefusedAndLeftAlone) {
  auto first = Create();
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = Create();
  EXPECT_TRUE(absl::IsAlreadyExists(second.status())) << second.status();
  EXPECT_EQ(Where(name_).size(), layout_->hierarchies().size());
}

TEST_F(ScratchCgroupsTest, OneThatWasMovedFromRemovesNothing) {
  auto first = Create();
  ASSERT_TRUE(first.ok()) << first.status();
  {
    ScratchCgroups moved = *std::move(first);
    EXPECT_TRUE(first->Remove().ok());  // NOLINT(bugprone-use-after-move): what it then does is the test
    EXPECT_EQ(Where(name_).size(), layout_->hierarchies().size());
  }
  EXPECT_TRUE(Where(name_).empty());
}

TEST_F(ScratchCgroupsTest, WhatAToolThatWasKilledLeftBehindIsEndedAndRemovedAndNobodyElses) {
  auto tool = ChildProcess::Start({.arguments = {"true"}});
  ASSERT_TRUE(tool.ok()) << tool.status();
  const int gone = tool->pid();
  tool->Stop();
  const std::string prefix = StrCat("truce-test-abandoned-", getpid(), "-");
  auto left = ScratchCgroups::Create(*layout_, StrCat(prefix, gone));
  ASSERT_TRUE(left.ok()) << left.status();
  ASSERT_TRUE(left->Add("child").ok());
  auto process =
      ChildProcess::Start({.arguments = {"sleep", "1000"}, .before_exec = [&] { return left->Enter("child", 0); }});
  ASSERT_TRUE(process.ok()) << process.status();
  ASSERT_TRUE(left->SetFrozen("child", true).ok());
  auto living = ScratchCgroups::Create(*layout_, StrCat(prefix, getpid()));
  ASSERT_TRUE(living.ok()) << living.status();

  ASSERT_TRUE(ScratchCgroups::RemoveAbandoned(*layout_, prefix).ok());
  EXPECT_TRUE(Where(StrCat(prefix, gone)).empty());
  // Who is killed leaves its cgroups a moment before its parent is told.
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (process->Running() && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_FALSE(process->Running());
  EXPECT_EQ(Where(StrCat(prefix, getpid())).size(), layout_->hierarchies().size()) << "its tool still runs";
}

// The state letter of a process in /proc: R, S, T (stopped), ...
char StateOf(int pid) {
  const std::string stat = ReadFile(StrCat("/proc/", pid, "/stat")).value_or("");
  const size_t name_end = stat.rfind(") ");
  return name_end == std::string::npos ? '?' : stat[name_end + 2];
}

TEST(FreezeBySignalTest, StopsEverybodyAndLetsThemGoOnWhereThereIsNoFreezer) {
  const test::Tree tree({{"cpu/cpu.shares", "1024"}, {"cpuset/cpuset.cpus", "0"}, {"cpuset/cpuset.mems", "0"}});
  const auto layout = CgroupLayout::Detect(tree.root());
  ASSERT_TRUE(layout.ok()) << layout.status();
  auto scratch = ScratchCgroups::Create(*layout, "tool");
  ASSERT_TRUE(scratch.ok()) << scratch.status();
  tree.MakeDirectory("cpu/tool/child");
  auto process = ChildProcess::Start({.arguments = {"sleep", "1000"}});
  ASSERT_TRUE(process.ok()) << process.status();
  tree.Put("cpu/tool/child/cgroup.procs", StrCat(process->pid(), "\n"));
  const auto becomes = [&process](bool stopped) {
    for (int i = 0; i < 500 && (StateOf(process->pid()) == 'T') != stopped; ++i) usleep(10'000);
    return (StateOf(process->pid()) == 'T') == stopped;
  };
  ASSERT_TRUE(scratch->SetFrozen("child", true).ok());
  EXPECT_TRUE(becomes(true));
  ASSERT_TRUE(scratch->SetFrozen("child", false).ok());
  EXPECT_TRUE(becomes(false));
}

}  // namespace
}  // namespace truce::host
