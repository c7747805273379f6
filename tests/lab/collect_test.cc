// The lab on the real host: programs run in cgroups of their own, are measured, and leave nothing behind.
#include "lab/collect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "absl/time/clock.h"
#include "lab/dataset.h"
#include "lab/running_program.h"
#include "src/base/text.h"
#include "src/host/scratch_cgroups.h"
#include "tests/fixtures/tree.h"

namespace truce::lab {
namespace {

using testing::Contains;
using testing::HasSubstr;

constexpr const char* kSpin = "i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done";

class CollectTest : public testing::Test {
 protected:
  void SetUp() override {
    auto layout = host::CgroupLayout::Detect("/sys/fs/cgroup");
    if (!layout.ok()) GTEST_SKIP() << layout.status();
    if (!layout->hierarchy_of(host::Controller::kCpuset)) GTEST_SKIP() << "no cpuset controller here";
    auto probe = host::ScratchCgroups::Create(*layout, StrCat("truce-lab-probe-", getpid()));
    if (!probe.ok()) GTEST_SKIP() << "cannot make cgroups here: " << probe.status() << "; run it as root on a host";
    ASSERT_TRUE(probe->Remove().ok());
    layout_ = *std::move(layout);
    for (const char* name : {"one", "two"}) {
      tree_.Put(StrCat("programs/", name, ".yaml"), StrCat("kind: test\nneeds: [sh]\noperation: ", kSpin, "\n"));
    }
    options_.programs = tree_.Path("programs");
    options_.work_directory = tree_.Path("work");
    options_.output = tree_.Path("lab.db");
    options_.cpus = "0";
    options_.budget = absl::Minutes(2);
    options_.most_meetings = 1;
    // The machine that tests run on has other things to do.
    options_.quiet_steal = options_.quiet_others = 100;
    options_.seconds = 2;
    options_.settle = absl::Milliseconds(500);
    // Two that rest longer than they work would take turns and never meet.
    options_.high_load_ratio = 1;
    options_.triple_ratio = 0;
  }
  void TearDown() override {
    if (!layout_) return;
    for (const host::Hierarchy& hierarchy : layout_->hierarchies()) {
      const std::string left = StrCat(layout_->root(), "/", hierarchy.directory, "/truce-lab-", getpid());
      EXPECT_FALSE(std::filesystem::exists(left)) << left;
    }
  }

  test::Tree tree_;
  std::optional<host::CgroupLayout> layout_;
  CollectOptions options_;
  ShutdownSignals signals_;
};

TEST_F(CollectTest, MeasuresMeetingsWithTheirSoloRuns) {
  const auto result = Collect(options_, signals_);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_GE(result->meetings, 1);
  const auto content = Dataset::Load(options_.output);
  ASSERT_TRUE(content.ok()) << content.status();
  ASSERT_GE(content->segments.size(), 2u);
  EXPECT_EQ(content->segments[0].members.size(), 1u) << "alone first";
  ASSERT_EQ(content->segments[1].members.size(), 2u);
  // Two busy loops on one CPU: each gets half. Noise may move that, but not to nothing.
  const double alone = content->segments[0].members[0].seconds_per_operation();
  const double together = content->segments[1].members[0].seconds_per_operation();
  EXPECT_GT(together, 1.3 * alone);
  const DatasetLife& life = content->lives.at(content->segments[0].members[0].life);
  ASSERT_FALSE(life.samples.empty());
  EXPECT_TRUE(life.samples.back().readings.has(Reading::kCpuUsageCores));
  EXPECT_DOUBLE_EQ(life.samples.back().readings.value_or(Reading::kCpuAllowedCount, 1), 1);
}

TEST_F(CollectTest, ProgramsThatCannotRunAreLeftOutWithTheReason) {
  tree_.Put("programs/three.yaml", "kind: test\nneeds: [a-missing-command]\npackages: [a-package]\noperation: x\n");
  tree_.Put("programs/four.yaml", "kind: test\nneeds: [sh]\nsetup: exit 7\noperation: x\n");
  options_.budget = absl::Seconds(1);
  const auto result = Collect(options_, signals_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->left_out, Contains(HasSubstr("a-missing-command is not installed; apt-get install a-package")));
  EXPECT_THAT(result->left_out, Contains(HasSubstr("setting up four failed")));
}

// Every sample that was taken is in the file, also of programs that still ran when the time was over.
TEST_F(CollectTest, NothingIsLostAtTheEnd) {
  options_.budget = absl::Seconds(6);
  const auto result = Collect(options_, signals_);
  ASSERT_TRUE(result.ok()) << result.status();
  const auto content = Dataset::Load(options_.output);
  ASSERT_TRUE(content.ok()) << content.status();
  ASSERT_FALSE(content->lives.empty());
  for (const auto& [id, life] : content->lives) {
    // On a busy machine, the last may have begun in the last second.
    if (id == content->lives.rbegin()->first && content->lives.size() > 1) continue;
    EXPECT_FALSE(life.samples.empty()) << life.program << " " << id;
  }
}

TEST_F(CollectTest, AProgramThatFailsAgainAndAgainIsLeftOutAndTheRunEnds) {
  tree_.Put("programs/two.yaml", "kind: test\nneeds: [sh]\noperation: echo 'no luck' >&2; exit 1\n");
  options_.budget = absl::Minutes(5);
  const absl::Time begin = absl::Now();
  const auto result = Collect(options_, signals_);
  EXPECT_TRUE(absl::IsFailedPrecondition(result.status())) << result.status();
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("no luck"));
  EXPECT_LT(absl::Now() - begin, absl::Minutes(2)) << "it does not go on for the whole budget";
}

TEST_F(CollectTest, AWorkDirectoryThatOthersMayWriteIsRefused) {
  tree_.MakeDirectory("work");
  std::filesystem::permissions(tree_.Path("work"), std::filesystem::perms::all);
  EXPECT_TRUE(absl::IsPermissionDenied(Collect(options_, signals_).status()));
  tree_.Remove("work");
  tree_.MakeDirectory("elsewhere");
  tree_.Link("work", tree_.Path("elsewhere"));
  EXPECT_TRUE(absl::IsPermissionDenied(Collect(options_, signals_).status())) << "a link may be turned";
}

TEST_F(CollectTest, WithFewerThanTwoProgramsNothingIsMeasured) {
  options_.only = {"one"};
  EXPECT_TRUE(absl::IsFailedPrecondition(Collect(options_, signals_).status()));
  options_.only = {"one", "nobody"};
  EXPECT_THAT(std::string(Collect(options_, signals_).status().message()), HasSubstr("no program 'nobody'"));
  options_.only.clear();
  options_.cpus = "9999";
  EXPECT_THAT(std::string(Collect(options_, signals_).status().message()), HasSubstr("CPU 9999 is not online"));
}

TEST_F(CollectTest, AProgramThatEndsSaysItsLastWords) {
  tree_.MakeDirectory("work");
  auto cgroups = host::ScratchCgroups::Create(*layout_, StrCat("truce-lab-", getpid()));
  ASSERT_TRUE(cgroups.ok()) << cgroups.status();
  Program program;
  program.name = "broken";
  program.run = "echo 'out of luck' >&2; exit 3";
  RunOptions options;
  options.cpus = {0};
  options.data_directory = tree_.Path("work");
  auto running = RunningProgram::Start(program, options, *cgroups, "broken");
  ASSERT_TRUE(running.ok()) << running.status();
  absl::Status status;
  while (status.ok()) status = (*running)->Poll();
  EXPECT_THAT(std::string(status.message()), HasSubstr("out of luck"));
  EXPECT_TRUE((*running)->Stop().ok());
  EXPECT_TRUE(cgroups->Remove().ok());
}

TEST_F(CollectTest, ChildrenThatHideAreEndedToo) {
  tree_.MakeDirectory("work");
  auto cgroups = host::ScratchCgroups::Create(*layout_, StrCat("truce-lab-", getpid()));
  ASSERT_TRUE(cgroups.ok()) << cgroups.status();
  Program program;
  program.name = "daemon";
  // A session of its own: no signal to the group reaches it.
  program.run = "setsid sleep 1000 & echo $! >\"$DATA/pid\"; echo 1 2; wait";
  RunOptions options;
  options.cpus = {0};
  options.data_directory = tree_.Path("work");
  auto running = RunningProgram::Start(program, options, *cgroups, "daemon");
  ASSERT_TRUE(running.ok()) << running.status();
  while (!(*running)->meter().first_end()) ASSERT_TRUE((*running)->Poll().ok());
  EXPECT_TRUE((*running)->Stop().ok());
  EXPECT_TRUE(cgroups->Remove().ok()) << "a cgroup with a process in it can't be removed";
}

}  // namespace
}  // namespace truce::lab
