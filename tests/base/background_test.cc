// What runs in the background gets what is left over, and no more memory than it was given.
#include "src/base/background.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/base/program.h"

namespace truce {
namespace {

ProgramResult InBackground(const std::string& script, uint64_t memory_bytes) {
  const auto result = RunProgram(
      {.arguments = {"sh", "-c", script}, .before_start = [memory_bytes] { return EnterBackground(memory_bytes); }});
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *result : ProgramResult{};
}

TEST(BackgroundTest, IsNicedIdleAndTheFirstToGo) {
  const ProgramResult result =
      InBackground("nice; awk '{print $41}' /proc/self/stat; cat /proc/self/oom_score_adj; ulimit -d; ulimit -c",
                   uint64_t{256} << 20);
  // Niceness, SCHED_IDLE (5), the score, KiB, no core.
  EXPECT_EQ(result.output, "19\n5\n1000\n262144\n0\n") << result.last_error;
}

TEST(BackgroundTest, MemoryBeyondTheBoundIsRefused) {
  // tail holds what it may have to print.
  const std::string hold = "head -c 100000000 /dev/zero | tail -c 64000000 > /dev/null";
  EXPECT_EQ(InBackground(hold, uint64_t{512} << 20).exit_code, 0);
  const ProgramResult refused = InBackground(hold, uint64_t{32} << 20);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.last_error, testing::HasSubstr("memory exhausted"));
}

}  // namespace
}  // namespace truce
