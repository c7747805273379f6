// Run-queue wait and switches of threads, from /proc: whose threads they are, which are new, and how often they are
// read.
#include <gtest/gtest.h>

#include "tests/agent/sense/rig.h"

namespace truce::agent {
namespace {

class CollectThreadsTest : public CollectTest {};
INSTANTIATE_TEST_SUITE_P(Layouts, CollectThreadsTest, testing::ValuesIn(kLayouts),
                         [](const auto& parameter) { return LayoutName(parameter.param); });

TEST_P(CollectThreadsTest, ThreadsWaitAndAreSwitchedTo) {
  rig_.PutUsage("w/a", 0);
  rig_.PutPressure("w/a", "cpu", 0, std::nullopt);
  rig_.tree.Put(rig_.ThreadList("w/a"), "11\n12\n");
  rig_.proc.Put("11/schedstat", "5000000 1000000000 100\n");
  rig_.proc.Put("12/schedstat", "5000000 2000000000 200\n");
  rig_.Tick();
  Expect(Reading::kTaskCount, 2.0);
  Expect(Reading::kRunQueueWaitRatio, std::nullopt);
  // 13 is new: how much of its past lies in this interval is not known, so it counts from here on.
  rig_.tree.Put(rig_.ThreadList("w/a"), "11\n12\n13\n");
  rig_.proc.Put("11/schedstat", "5000000 1500000000 150\n");
  rig_.proc.Put("12/schedstat", "5000000 2500000000 210\n");
  rig_.proc.Put("13/schedstat", "5000000 9000000000 999\n");
  rig_.Tick(absl::Seconds(2));
  Expect(Reading::kTaskCount, 3.0);
  Expect(Reading::kRunQueueWaitRatio, 0.5);
  Expect(Reading::kContextSwitchesPerSecond, 30.0);
  // 11 ended between the list and the read.
  rig_.proc.Remove("11");
  rig_.proc.Put("12/schedstat", "5000000 2600000000 220\n");
  rig_.proc.Put("13/schedstat", "5000000 9100000000 1009\n");
  rig_.Tick();
  Expect(Reading::kRunQueueWaitRatio, 0.2);
  Expect(Reading::kContextSwitchesPerSecond, 20.0);
}

TEST_P(CollectThreadsTest, WaitOfThreadsThatAreAllNewIsMissingAndNotZero) {
  rig_.PutUsage("w/a", 0);
  rig_.PutPressure("w/a", "cpu", 0, std::nullopt);
  for (int thread : {11, 12, 13}) rig_.proc.Put(StrCat(thread, "/schedstat"), "5 1000000000 100\n");
  for (int thread : {11, 12, 13}) {
    rig_.tree.Put(rig_.ThreadList("w/a"), StrCat(thread, "\n"));
    rig_.Tick();
    Expect(Reading::kTaskCount, 1.0);
    Expect(Reading::kRunQueueWaitRatio, std::nullopt);
    Expect(Reading::kContextSwitchesPerSecond, std::nullopt);
  }
  // An empty cgroup does not wait.
  rig_.tree.Put(rig_.ThreadList("w/a"), "");
  rig_.Tick();
  Expect(Reading::kTaskCount, 0.0);
  Expect(Reading::kRunQueueWaitRatio, 0.0);
}

TEST_P(CollectThreadsTest, AReusedThreadIdIsNotAHugeRate) {
  rig_.PutUsage("w/a", 0);
  rig_.tree.Put(rig_.ThreadList("w/a"), "11\n12\n");
  rig_.proc.Put("11/schedstat", "5 1000000000 1000\n");
  rig_.proc.Put("12/schedstat", "5 1000000000 1000\n");
  rig_.Tick();
  rig_.proc.Put("11/schedstat", "5 3000000000 3\n");  // waited longer, but was switched to less often: another thread
  rig_.proc.Put("12/schedstat", "5 1100000000 1010\n");
  rig_.Tick();
  Expect(Reading::kRunQueueWaitRatio, 0.1);
  Expect(Reading::kContextSwitchesPerSecond, 10.0);
}

TEST_P(CollectThreadsTest, TooManyThreadsAreCountedButNotLookedInto) {
  rig_.PutUsage("w/a", 0);
  std::string many;
  for (int thread = 1; thread <= 65; ++thread) {
    StrAppend(&many, thread, "\n");
    rig_.proc.Put(StrCat(thread, "/schedstat"), "5 1000 10\n");
  }
  rig_.tree.Put(rig_.ThreadList("w/a"), "1\n");
  rig_.Tick();
  rig_.tree.Put(rig_.ThreadList("w/a"), many);
  rig_.Tick();
  Expect(Reading::kTaskCount, 65.0);
  Expect(Reading::kRunQueueWaitRatio, std::nullopt);
  rig_.tree.Put(rig_.ThreadList("w/a"), "1\n2\n");
  rig_.Tick();
  Expect(Reading::kRunQueueWaitRatio, std::nullopt);
  rig_.Tick();
  Expect(Reading::kRunQueueWaitRatio, 0.0);
}

TEST_P(CollectThreadsTest, ThreadsInCgroupsBelowAreNotMistakenForNone) {
  // A pod's or a session's own list is empty; its threads are in its children.
  rig_.PutUsage("w/a", 0);
  rig_.tree.Put(rig_.ThreadList("w/a"), "");
  rig_.tree.Put(rig_.ThreadList("w/a/child"), "11\n");
  rig_.proc.Put("11/schedstat", "5 1000000000 100\n");
  rig_.Tick();
  rig_.Tick();
  Expect(Reading::kTaskCount, std::nullopt);
  Expect(Reading::kRunQueueWaitRatio, std::nullopt);
  Expect(Reading::kContextSwitchesPerSecond, std::nullopt);
}

TEST_P(CollectThreadsTest, WithoutPsiRunQueueWaitIsReadOnEveryTick) {
  rig_.options.slow_every = 10;
  rig_.PutUsage("w/a", 0);
  rig_.tree.Put(rig_.ThreadList("w/a"), "11\n");
  int64_t wait_ns = 0;
  for (int tick = 0; tick < 12; ++tick) {
    wait_ns += 100'000'000 * tick;
    rig_.proc.Put("11/schedstat", StrCat("5 ", wait_ns, " 100\n"));
    rig_.Tick();
    if (tick < 5) continue;  // by then it has noticed
    EXPECT_FALSE(rig_.sampler->has_pressure());
    Expect(Reading::kRunQueueWaitRatio, 0.1 * tick);
  }
}

TEST_P(CollectThreadsTest, WithPsiItIsReadOnSlowTicksOnly) {
  if (!rig_.has_unified()) GTEST_SKIP() << "no PSI on this layout";
  rig_.options.slow_every = 4;
  rig_.tree.Put(rig_.ThreadList("w/a"), "11\n");
  std::set<double> seen;
  for (int tick = 0; tick < 22; ++tick) {
    rig_.PutUsage("w/a", 0);
    rig_.PutPressure("w/a", "cpu", tick, std::nullopt);
    rig_.proc.Put("11/schedstat", StrCat("5 ", 1'000'000 * tick * tick, " 100\n"));
    rig_.Tick();
    EXPECT_TRUE(rig_.sampler->has_pressure()) << "tick " << tick;
    if (tick >= 10) seen.insert(rig_.Get("w/a", Reading::kRunQueueWaitRatio).value_or(-1));
  }
  EXPECT_LE(seen.size(), 4u) << "12 ticks hold 3 slow ones";
}

}  // namespace
}  // namespace truce::agent
