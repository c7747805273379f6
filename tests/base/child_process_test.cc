// Programs that tools start: they end when they should, and their end is told apart.
#include "src/base/child_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <sstream>

#include "absl/time/clock.h"
#include "tests/fixtures/tree.h"

namespace truce {
namespace {

ChildProcess Shell(const std::string& script, const std::string& log_file = "") {
  auto child = ChildProcess::Start({.arguments = {"sh", "-c", script}, .log_file = log_file});
  EXPECT_TRUE(child.ok()) << child.status();
  return *std::move(child);
}

// Blocks until the process has ended, without reaping it.
void AwaitEnd(int pid) {
  siginfo_t info{};
  while (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
  }
}

std::string Content(const std::string& file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST(ChildProcessTest, StopTellsTheExitStatusOfOneThatEndedByItself) {
  for (int code : {0, 1, 42}) {
    ChildProcess child = Shell("exit " + std::to_string(code));
    AwaitEnd(child.pid());
    EXPECT_EQ(child.Stop(), code);
    EXPECT_FALSE(child.Running());
    EXPECT_EQ(child.Stop(), code) << "asked again";
  }
}

TEST(ChildProcessTest, AProgramThatIsNotThereIsExit127AndSaysSo) {
  test::Tree tree;
  auto child = ChildProcess::Start({.arguments = {"truce-no-such-program"}, .log_file = tree.Path("log")});
  ASSERT_TRUE(child.ok()) << child.status();
  AwaitEnd(child->pid());
  EXPECT_EQ(child->Stop(), 127);
  EXPECT_EQ(Content(tree.Path("log")), "cannot start truce-no-such-program\n");
}

TEST(ChildProcessTest, AFailedPreparationIsExit126AndTheProgramNeverStarts) {
  test::Tree tree;
  auto child = ChildProcess::Start({.arguments = {"touch", tree.Path("started")},
                                    .log_file = tree.Path("log"),
                                    .before_exec = [] { return absl::InternalError("no cgroup"); }});
  ASSERT_TRUE(child.ok()) << child.status();
  AwaitEnd(child->pid());
  EXPECT_EQ(child->Stop(), 126);
  EXPECT_EQ(Content(tree.Path("log")), "no cgroup\n");
  EXPECT_NE(access(tree.Path("started").c_str(), F_OK), 0);
}

TEST(ChildProcessTest, OutputGoesToTheLogAndTheNameIsWhatTheProgramSees) {
  test::Tree tree;
  auto child = ChildProcess::Start(
      {.arguments = {"sh", "-c", "echo out; echo err >&2; echo $0"}, .name = "renamed", .log_file = tree.Path("log")});
  ASSERT_TRUE(child.ok()) << child.status();
  AwaitEnd(child->pid());
  EXPECT_EQ(child->Stop(), 0);
  EXPECT_EQ(Content(tree.Path("log")), "out\nerr\nrenamed\n");
}

TEST(ChildProcessTest, StopSendsTermFirst) {
  ChildProcess child = Shell("exec sleep 1000");
  EXPECT_TRUE(child.Running());
  EXPECT_EQ(child.Stop(absl::InfiniteDuration()), 128 + SIGTERM);
}

TEST(ChildProcessTest, StopKillsOneThatIgnoresTerm) {
  test::Tree tree;
  const std::string fifo = tree.Path("ready");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  ChildProcess child = Shell("trap '' TERM; echo > " + fifo + "; while :; do sleep 1000; done");
  Content(fifo);  // returns once the trap is set
  EXPECT_EQ(child.Stop(absl::Milliseconds(50)), 128 + SIGKILL);
}

TEST(ChildProcessTest, TheChildIsGoneWithItsObjectAndAMovedFromOneEndsNothing) {
  int pid = 0;
  {
    ChildProcess first = Shell("exec sleep 1000");
    pid = first.pid();
    ChildProcess second = std::move(first);
    EXPECT_FALSE(first.Running());  // NOLINT(bugprone-use-after-move): what it says of itself is the test
    EXPECT_TRUE(second.Running());
  }
  EXPECT_EQ(kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

TEST(ChildProcessTest, KillEndsItsHelpersToo) {
  // Orphans come to this process instead of init, so their end can be waited for.
  ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  test::Tree tree;
  const std::string fifo = tree.Path("pid");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  ChildProcess child = Shell("sleep 1000 & echo $! > " + fifo + "; wait");
  const int helper = std::stoi(Content(fifo));
  child.Kill();
  int status = 0;
  EXPECT_EQ(waitpid(helper, &status, 0), helper);
  EXPECT_TRUE(WIFSIGNALED(status));
  prctl(PR_SET_CHILD_SUBREAPER, 0);
}

TEST(ChildProcessTest, TheKernelEndsItWhenTheParentDies) {
  ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  int channel[2];
  ASSERT_EQ(pipe(channel), 0);
  const pid_t parent = fork();
  ASSERT_GE(parent, 0);
  if (parent == 0) {
    auto child = ChildProcess::Start({.arguments = {"sleep", "1000"}});
    const int pid = child.ok() ? child->pid() : -1;
    if (write(channel[1], &pid, sizeof pid) != sizeof pid) _exit(1);
    raise(SIGKILL);  // no destructor runs
  }
  int status = 0;
  ASSERT_EQ(waitpid(parent, &status, 0), parent);
  int pid = -1;
  ASSERT_EQ(read(channel[0], &pid, sizeof pid), static_cast<ssize_t>(sizeof pid));
  ASSERT_GT(pid, 0);
  // An orphan of a parent that died before the child asked for the signal leaves by itself with 125.
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 125);
  close(channel[0]);
  close(channel[1]);
  prctl(PR_SET_CHILD_SUBREAPER, 0);
}

}  // namespace
}  // namespace truce
