// What each lever writes, on every kind of tree, and that all of it comes back; for cpu_pin and cpu_quota see also
// actuator_test.cc and versions_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/agent/act/rig.h"

namespace truce::agent {
namespace {

using testing::Contains;
using testing::HasSubstr;

using Levers = OnEveryTree;

TEST_P(Levers, EachIsAppliedAndRestored) {
  const auto before = rig.tree.Snapshot();
  for (const v1::LeasedAction& action : EveryLever("batch/b", CountsTraffic(GetParam()))) {
    SCOPED_TRACE(Describe(action));
    const auto result = rig.Apply({action});
    ASSERT_EQ(result.results(0).state(), v1::ACTION_STATE_APPLIED) << result.results(0).reason();
    EXPECT_NE(rig.tree.Snapshot(), before);
    rig.Tick();
    ASSERT_TRUE(rig.Apply({}).accepted());
    EXPECT_EQ(rig.tree.Snapshot(), before);
  }
  for (const v1::Event& event : rig.actuator().TakeEvents()) {
    EXPECT_THAT(event.kind(), testing::AnyOf("action_applied", "action_released")) << event.message();
  }
}

TEST_P(Levers, WeightIsLoweredForOneThatGivesWayAndRaisedForTheVictim) {
  ASSERT_TRUE(rig.Apply({For("web", Weight("w", "batch/b", 20))}).accepted());
  EXPECT_EQ(rig.tree.Get(rig.tree.Weight("batch/b")), rig.tree.v1() ? "205\n" : "20\n");
  EXPECT_THAT(rig.Apply({For("web", Weight("w", "batch/b", 200))}).results(0).reason(),
              HasSubstr("one that gives way may only get less"));
  EXPECT_EQ(rig.tree.Get(rig.tree.Weight("batch/b")), rig.tree.v1() ? "205\n" : "20\n") << "the older value stays";

  rig->workloads["web"].workload_class = v1::WORKLOAD_CLASS_CRITICAL;
  ASSERT_TRUE(rig.Apply({For("web", Weight("b", "web", 1000))}).accepted());
  EXPECT_EQ(rig.tree.Get(rig.tree.Weight("web")), rig.tree.v1() ? "10240\n" : "1000\n");
  rig.Tick();
  EXPECT_EQ(rig.actuator().held().size(), 1u) << "a boost of a critical workload is no reduction";
  EXPECT_THAT(rig.Apply({For("web", Weight("b", "web", 50))}).results(0).reason(),
              HasSubstr("one that is protected may only get more"));
  EXPECT_THAT(rig.Apply({For("batch/a", Weight("c", "web", 50))}).results(0).reason(), HasSubstr("is critical"));
}

// What the kernel does: an idle cgroup has no weight, and one that is no longer idle has the usual one.
void TakesTheWeightAway(Rig& rig, const std::string& path) {
  rig->writer.SetHook([&rig, path](std::string_view step) {
    if (step != "after write " + rig.tree.Idle(path)) return;
    const bool idle = rig.tree.Get(rig.tree.Idle(path)) == "1\n";
    rig.tree.Put(rig.tree.Weight(path), idle ? (rig.tree.v1() ? "3\n" : "0\n") : (rig.tree.v1() ? "1024\n" : "100\n"));
  });
}

TEST_P(Levers, IdleGivesTheWeightBack) {
  rig.tree.Put(rig.tree.Weight("batch/b"), "250\n");
  const auto before = rig.tree.Snapshot();
  TakesTheWeightAway(rig, "batch/b");
  ASSERT_TRUE(rig.Apply({Idle("i", "batch/b")}).accepted());
  EXPECT_EQ(rig.tree.Get(rig.tree.Idle("batch/b")), "1\n");
  rig.Tick();
  ASSERT_TRUE(rig.Apply({}).accepted());
  EXPECT_EQ(rig.tree.Snapshot(), before);
  EXPECT_EQ(rig.actuator().TakeReceipts()[0].changes_size(), 2);

  ASSERT_TRUE(rig.Apply({Idle("i", "batch/b")}).accepted());
  rig.Crash();
  ASSERT_TRUE(rig->Restore().ok());
  EXPECT_EQ(rig.tree.Snapshot(), before);
}

TEST_P(Levers, IdleThatDoesNotHoldGivesTheWeightBackToo) {
  rig.tree.Put(rig.tree.Weight("batch/b"), "250\n");
  const auto before = rig.tree.Snapshot();
  rig->writer.SetHook([this](std::string_view step) {
    if (step != "after write " + rig.tree.Idle("batch/b")) return;
    rig.tree.Put(rig.tree.Idle("batch/b"), "0\n");
    rig.tree.Put(rig.tree.Weight("batch/b"), "100\n");
  });
  EXPECT_THAT(rig.Apply({Idle("i", "batch/b")}).results(0).reason(), HasSubstr("reads back as '0'"));
  EXPECT_EQ(rig.tree.Snapshot(), before);
}

TEST_P(Levers, IdleIsForBestEffortAndForKernelsThatHaveIt) {
  rig->workloads["batch/b"].workload_class = v1::WORKLOAD_CLASS_STANDARD;
  EXPECT_THAT(rig.Apply({Idle("i", "batch/b")}).results(0).reason(), HasSubstr("it is for best effort"));
  rig->workloads["batch/b"].workload_class = v1::WORKLOAD_CLASS_BEST_EFFORT;
  std::filesystem::remove(rig.tree.root() + "/" + rig.tree.Idle("batch/b"));
  EXPECT_THAT(rig.Apply({Idle("i", "batch/b")}).results(0).reason(), HasSubstr("Linux has it from 5.15 on"));
}

TEST_P(Levers, BurstGoesWithTheQuotaAndBack) {
  const auto before = rig.tree.Snapshot();
  v1::LeasedAction action = Quota("q", "batch/b", 0.5);
  action.set_quota_burst_cores(0.2);
  ASSERT_TRUE(rig.Apply({action}).accepted());
  EXPECT_EQ(rig.tree.Get(rig.tree.Burst("batch/b")), "20000\n");
  EXPECT_EQ(rig.tree.Get(rig.tree.Quota("batch/b")), rig.tree.QuotaText(0.5));
  action.set_quota_cores(0.15);
  ASSERT_TRUE(rig.Apply({action}).accepted());
  EXPECT_EQ(rig.tree.Get(rig.tree.Burst("batch/b")), "15000\n") << "the kernel wants at most the quota";
  ASSERT_TRUE(rig.Apply({}).accepted());
  EXPECT_EQ(rig.tree.Snapshot(), before);
  std::filesystem::remove(rig.tree.root() + "/" + rig.tree.Burst("batch/b"));
  EXPECT_THAT(rig.Apply({action}).results(0).reason(), HasSubstr("Linux has it from 5.14 on"));
  action.clear_quota_burst_cores();
  EXPECT_TRUE(rig.Apply({action}).accepted()) << "without a burst it need not be there";
}

// The kernel refuses a quota below the burst, so an operator's burst must shrink first, and grow back last.
TEST_P(Levers, AnOperatorsBurstMakesRoomForTheQuota) {
  rig.tree.Put(rig.tree.Quota("batch/b"), rig.tree.QuotaText(1));
  rig.tree.Put(rig.tree.Burst("batch/b"), "80000\n");
  const auto before = rig.tree.Snapshot();
  std::vector<std::string> written;
  rig->writer.SetHook([&written](std::string_view step) {
    if (step.starts_with("after write ")) written.emplace_back(step.substr(step.rfind('/') + 1));
  });
  ASSERT_TRUE(rig.Apply({Quota("q", "batch/b", 0.5)}).accepted());
  EXPECT_EQ(rig.tree.Get(rig.tree.Burst("batch/b")), "50000\n");
  ASSERT_TRUE(rig.Apply({}).accepted());
  EXPECT_EQ(rig.tree.Snapshot(), before);
  const std::string burst = rig.tree.v1() ? "cpu.cfs_burst_us" : "cpu.max.burst";
  const std::string quota = rig.tree.v1() ? "cpu.cfs_quota_us" : "cpu.max";
  EXPECT_THAT(written, testing::ElementsAre(burst, quota, quota, burst));
}

TEST_P(Levers, SqueezeGoesDownInStepsAndStopsAtTheWorkingSet) {
  const auto before = rig.tree.Snapshot();
  const std::string file = rig.tree.MemoryHigh("batch/b");
  ActionTarget& target = rig->workloads["batch/b"];
  const auto bound = [&] { return std::stoull(rig.tree.Get(file)); };
  const v1::LeasedAction action = SqueezeTo("s", "batch/b", uint64_t{64} << 20);
  const auto second_passes = [&] {
    ASSERT_TRUE(rig.Apply({action}).accepted());  // the lease is renewed
    rig.Tick();
  };
  ASSERT_TRUE(rig.Apply({action}).accepted());
  uint64_t last = bound();
  EXPECT_LT(last, *target.memory.usage_bytes);
  EXPECT_GT(last, *target.memory.usage_bytes * 9 / 10) << "a small step";
  for (int second = 0; second < 120; ++second) {
    target.memory.usage_bytes = std::min(*target.memory.usage_bytes, last);  // what the kernel sees to
    second_passes();
    ASSERT_LE(bound(), last);
    last = bound();
  }
  EXPECT_NEAR(static_cast<double>(last), 1.05 * (512 << 20), 8192) << "never below what it works with";
  EXPECT_EQ(rig.actuator().held()[0].action().memory_high_bytes(), uint64_t{64} << 20) << "what was asked for";

  // It suffers: a step back, and no lower than that any more.
  target.memory.stalled_ratio = 0.3;
  rig.Tick(absl::Seconds(3));
  const uint64_t relieved = bound();
  EXPECT_GT(relieved, last);
  target.memory.stalled_ratio = 0;
  target.memory.usage_bytes = relieved;
  for (int second = 0; second < 30; ++second) second_passes();
  EXPECT_EQ(bound(), relieved);
  for (const v1::Event& event : rig.actuator().TakeEvents()) EXPECT_EQ(event.kind(), "action_applied");
  ASSERT_TRUE(rig.Apply({}).accepted());
  EXPECT_EQ(rig.tree.Snapshot(), before);
}

TEST_P(Levers, WhoseMemoryIsNotKnownOrShortAlreadyIsNotSqueezed) {
  const auto before = rig.tree.Snapshot();
  rig->workloads["batch/b"].memory.stalled_ratio = 0.5;
  EXPECT_THAT(rig.Apply({SqueezeTo("s", "batch/b", uint64_t{64} << 20)}).results(0).reason(),
              HasSubstr("waits for memory too much already"));
  rig->workloads["batch/b"].memory = {};
  EXPECT_THAT(rig.Apply({SqueezeTo("s", "batch/b", uint64_t{64} << 20)}).results(0).reason(),
              HasSubstr("is not known"));
  EXPECT_EQ(rig.tree.Snapshot(), before);
}

// A step must not hide that somebody else set the control.
TEST_P(Levers, SqueezeThatSomebodyElseResetsIsWrittenAgainWithPatience) {
  ASSERT_TRUE(rig.Apply({SqueezeTo("s", "batch/b", uint64_t{64} << 20)}).accepted());
  rig.actuator().TakeEvents();
  const std::string file = rig.tree.MemoryHigh("batch/b");
  const std::string ours = rig.tree.Get(file);
  const std::string theirs = rig.tree.v1() ? "9223372036854771712\n" : "max\n";
  rig.tree.Put(file, theirs);
  rig.Tick(absl::Seconds(3));
  EXPECT_THAT(Kinds(rig.actuator().TakeEvents()), Contains("control_reset"));
  rig.Tick(absl::Seconds(3));
  EXPECT_EQ(rig.tree.Get(file), theirs);
  rig.Tick(absl::Seconds(3));
  EXPECT_LE(std::stoull(rig.tree.Get(file)), std::stoull(ours));
}

TEST_P(Levers, DiskCapLeavesOtherDevicesAndLowerBoundsAlone) {
  const std::string file = rig.tree.DiskMax("batch/b");
  const std::string others = rig.tree.v1() ? "8:16 5000000\n" : "8:16 rbps=5000000 wbps=max riops=max wiops=max\n";
  const std::string lower = rig.tree.v1() ? "8:0 2000000\n" : "8:0 rbps=2000000 wbps=max riops=900 wiops=max\n";
  rig.tree.Put(file, others + lower);
  const auto before = rig.tree.Snapshot();
  ASSERT_TRUE(rig.Apply({CapDisk("d", "batch/b", 10'000'000)}).accepted());
  EXPECT_EQ(rig.tree.Get(file),
            others + (rig.tree.v1() ? lower : "8:0 rbps=2000000 wbps=10000000 riops=900 wiops=max\n"));
  ASSERT_TRUE(rig.Apply({CapDisk("d", "batch/b", 1'500'000)}).accepted());
  EXPECT_THAT(rig.tree.Get(file), HasSubstr("1500000"));
  rig.Tick();
  ASSERT_TRUE(rig.Apply({}).accepted());
  EXPECT_EQ(rig.tree.Snapshot(), before);
}

TEST_P(Levers, WhatIsSentIsBoundWhereItIsCounted) {
  const auto result = rig.Apply({CapNetwork("n", "batch/b", 1 << 20)});
  if (!CountsTraffic(GetParam())) {
    EXPECT_THAT(result.results(0).reason(), HasSubstr("its traffic is not counted here"));
    return;
  }
  const std::string file = (rig.tree.v1() ? "unified/" : "") + std::string("batch/b/network_cap");
  EXPECT_EQ(rig.tree.Get(file), "1048576\n");
  ASSERT_TRUE(rig.Apply({}).accepted());
  EXPECT_EQ(rig.tree.Get(file), "max\n");
}

INSTANTIATE_TEST_SUITE_P(Trees, Levers, testing::Values(TreeKind::kV1, TreeKind::kHybrid, TreeKind::kV2),
                         TreeParamName);

}  // namespace
}  // namespace truce::agent
