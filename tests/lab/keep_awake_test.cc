// CPUs are kept awake by processes that yield to everybody, and that leave nothing behind.
#include "lab/keep_awake.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "absl/time/clock.h"
#include "src/base/text.h"
#include "src/host/cgroup.h"

namespace truce::lab {
namespace {

// Between its start and the program in it, a child still is as its parent.
bool BecomesIdle(int pid) {
  for (int i = 0; i < 200 && sched_getscheduler(pid) != SCHED_IDLE; ++i) absl::SleepFor(absl::Milliseconds(10));
  return sched_getscheduler(pid) == SCHED_IDLE;
}

TEST(KeepAwakeTest, OneProcessPerCpuComesLastAndGoes) {
  const auto layout = host::CgroupLayout::Detect("/sys/fs/cgroup");
  if (!layout.ok()) GTEST_SKIP() << layout.status();
  auto cgroups = host::ScratchCgroups::Create(*layout, StrCat("truce-test-awake-", getpid()));
  if (!cgroups.ok()) GTEST_SKIP() << "cannot make cgroups here: " << cgroups.status();
  if (!layout->hierarchy_of(host::Controller::kCpu)) GTEST_SKIP() << "no cgroup tree has the cpu controller";
  auto awake = KeepAwake::Start(*cgroups, {0}, "");
  ASSERT_TRUE(awake.ok()) << awake.status();
  ASSERT_EQ(awake->processes().size(), 1U);
  const int pid = awake->processes()[0].pid();
  EXPECT_TRUE(BecomesIdle(pid));
  cpu_set_t allowed;
  for (int i = 0; i < 200; ++i) {
    ASSERT_EQ(sched_getaffinity(pid, sizeof allowed, &allowed), 0);
    if (CPU_COUNT(&allowed) == 1) break;
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_EQ(CPU_COUNT(&allowed), 1);
  EXPECT_TRUE(CPU_ISSET(0, &allowed));
  EXPECT_TRUE(awake->Check().ok());
  ASSERT_TRUE(awake->Stop().ok());
  EXPECT_EQ(kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);

  auto nowhere = KeepAwake::Start(*cgroups, {CPU_SETSIZE - 1}, "");
  ASSERT_TRUE(nowhere.ok()) << nowhere.status();
  for (int i = 0; i < 200 && nowhere->Check().ok(); ++i) absl::SleepFor(absl::Milliseconds(10));
  EXPECT_FALSE(nowhere->Check().ok()) << "one that can't start is noticed";
  ASSERT_TRUE(nowhere->Stop().ok());
  EXPECT_TRUE(cgroups->Remove().ok()) << "nothing is left in it";
}

}  // namespace
}  // namespace truce::lab
