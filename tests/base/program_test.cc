// Programs that are run for their answer: all of it comes, and they end when they should.
#include "src/base/program.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "absl/time/clock.h"
#include "src/base/text.h"
#include "tests/fixtures/tree.h"

namespace truce {
namespace {

using End = ProgramResult::End;
using testing::StartsWith;

ProgramResult RunFor(ProgramOptions options) {
  auto result = RunProgram(options);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *std::move(result) : ProgramResult{};
}

ProgramResult Shell(const std::string& script, ProgramOptions options = {}) {
  options.arguments = {"sh", "-c", script};
  return RunFor(std::move(options));
}

TEST(ProgramTest, TextGoesInAndComesOut) {
  const std::string big(3 << 20, 'x');  // more than any pipe holds, and nobody reads the answer meanwhile
  const ProgramResult result = Shell("wc -c; echo 'one' >&2; printf '  last line \\n\\n' >&2; exit 7", {.input = big});
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_EQ(result.output, StrCat(big.size(), "\n"));
  EXPECT_EQ(result.last_error, "  last line");
  EXPECT_EQ(result.end, End::kByItself);
}

TEST(ProgramTest, LongOutputIsCutAndTheProgramGoesOn) {
  const ProgramResult result =
      Shell("head -c 3000000 /dev/zero | tr '\\0' a; head -c 3000000 /dev/zero | tr '\\0' b >&2; exit 3");
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.output, std::string(size_t{1} << 20, 'a'));
  EXPECT_EQ(result.last_error, std::string(1000, 'b'));
}

TEST(ProgramTest, OneThatIsNotThereEndsWithItsCode) {
  const ProgramResult result = RunFor({.arguments = {"/nonexistent/program"}});
  EXPECT_EQ(result.exit_code, 127);
  EXPECT_EQ(result.last_error, "cannot start /nonexistent/program");
}

TEST(ProgramTest, ASignalIsInTheExitCode) {
  EXPECT_EQ(Shell("kill -9 $$").exit_code, 128 + SIGKILL);
}

TEST(ProgramTest, CancelledItGetsItsTimeToTidyUp) {
  std::atomic<bool> cancelled = false;
  const test::Tree files;
  const std::string up = files.Path("up");
  std::thread canceller([&] {
    while (access(up.c_str(), F_OK) != 0) absl::SleepFor(absl::Milliseconds(5));
    cancelled = true;
  });
  const ProgramResult result =
      Shell(StrCat("trap 'echo tidied; exit 10' TERM; touch ", up, "; while :; do sleep 0.05; done"),
            {.cancelled = &cancelled});
  canceller.join();
  EXPECT_EQ(result.exit_code, 10);
  EXPECT_EQ(result.output, "tidied\n");
  EXPECT_EQ(result.end, End::kCancelled);
}

TEST(ProgramTest, OneThatDoesNotHearIsKilledWithItsHelpers) {
  // Orphans come to this process instead of init, so their end can be waited for.
  ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  const ProgramResult result = Shell("trap '' TERM; sleep 300 & echo $!; wait; wait; sleep 300",
                                     {.patience = absl::Milliseconds(300), .grace = absl::Milliseconds(100)});
  EXPECT_EQ(result.exit_code, 128 + SIGKILL);
  EXPECT_EQ(result.end, End::kTimedOut);
  const int helper = std::stoi(result.output);
  int status = 0;
  EXPECT_EQ(waitpid(helper, &status, 0), helper);
  EXPECT_TRUE(WIFSIGNALED(status));
  prctl(PR_SET_CHILD_SUBREAPER, 0);
}

// As a program does that starts a daemon carelessly.
TEST(ProgramTest, WhatItLeavesBehindIsNotWaitedFor) {
  const absl::Time began = absl::Now();
  const ProgramResult result = Shell("sleep 60 & echo $!");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_LT(absl::Now() - began, absl::Seconds(30));
  EXPECT_EQ(Shell(StrCat("kill ", result.output)).exit_code, 0) << "it lived on until now";
}

TEST(ProgramTest, ItInheritsNothingElse) {
  const int leak = open("/dev/null", O_RDONLY);  // no O_CLOEXEC
  ASSERT_GE(leak, 3);
  const ProgramResult result = Shell(StrCat("[ -e /proc/self/fd/", leak, " ] && echo leaked; ls -l /proc/self/fd/0"));
  close(leak);
  EXPECT_THAT(result.output, testing::Not(StartsWith("leaked")));
}

}  // namespace
}  // namespace truce
