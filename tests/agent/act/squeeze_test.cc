// In which steps a workload is made to give memory back.
#include "agent/act/squeeze.h"

#include <gtest/gtest.h>

namespace truce::agent {
namespace {

constexpr uint64_t kMebibyte = uint64_t{1} << 20;
constexpr uint64_t kGoal = 100 * kMebibyte;

MemoryState Memory(uint64_t usage, uint64_t working_set, double stalled) {
  return {.usage_bytes = usage * kMebibyte, .working_set_bytes = working_set * kMebibyte, .stalled_ratio = stalled};
}

TEST(SqueezeTest, WhoStalledAlreadySuffersWhenItStallsMore) {
  const SqueezeOptions options;
  const auto first = NextSqueeze(kGoal, {}, Memory(400, 50, 0.1), options);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->bound_bytes, 380 * kMebibyte);
  const auto second = NextSqueeze(kGoal, *first, Memory(380, 50, 0.24), options);
  ASSERT_TRUE(second.has_value());
  EXPECT_LT(*second->bound_bytes, *first->bound_bytes) << "hardly more than before";
  const auto third = NextSqueeze(kGoal, *second, Memory(361, 50, 0.26), options);
  ASSERT_TRUE(third.has_value());
  EXPECT_GT(*third->bound_bytes, *second->bound_bytes);
  const auto fourth = NextSqueeze(kGoal, *third, Memory(378, 50, 0.1), options);
  EXPECT_EQ(fourth->bound_bytes, third->bound_bytes) << "no lower than where it suffered";
}

TEST(SqueezeTest, WhoHardlyGetsOnIsNotSqueezed) {
  EXPECT_TRUE(NextSqueeze(kGoal, {}, Memory(400, 50, 0.3), {}).has_value());
  EXPECT_FALSE(NextSqueeze(kGoal, {}, Memory(400, 50, 0.31), {}).has_value());
}

TEST(SqueezeTest, WithoutPressureReadingsTheWorkingSetAloneIsTheBound) {
  MemoryState memory = Memory(400, 200, 0);
  memory.stalled_ratio.reset();
  Squeeze squeeze;
  for (int i = 0; i < 100; ++i) {
    const auto next = NextSqueeze(kGoal, squeeze, memory, {});
    ASSERT_TRUE(next.has_value());
    squeeze = *next;
    memory.usage_bytes = *squeeze.bound_bytes;
  }
  EXPECT_EQ(squeeze.bound_bytes, 210 * kMebibyte);
}

}  // namespace
}  // namespace truce::agent
