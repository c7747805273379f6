// The sampler's life: workloads come, go, come back under the same name, and are too many.
#include "agent/sense/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/agent/sense/rig.h"

namespace truce::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SamplerTest : public testing::TestWithParam<Layout> {
 protected:
  Rig rig_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Layouts, SamplerTest, testing::ValuesIn(kLayouts),
                         [](const auto& parameter) { return LayoutName(parameter.param); });

TEST_P(SamplerTest, WorkloadsComeAndGoAndAreCountedWhileTheyLive) {
  rig_.PutUsage("w/a", 0);
  rig_.Tick();
  EXPECT_THAT(rig_.sampler->arrived(), ElementsAre("w/a"));
  const bool has_perf_tree = rig_.has_unified();  // this v1 host has no perf_event tree
  EXPECT_EQ(rig_.counters.tracked.size(), has_perf_tree ? 1u : 0u);
  rig_.PutUsage("w/b", 0);
  rig_.Tick();
  EXPECT_THAT(rig_.sampler->arrived(), ElementsAre("w/b"));
  EXPECT_THAT(rig_.sampler->departed(), IsEmpty());
  EXPECT_EQ(rig_.sampler->workloads().size(), 2u);

  rig_.RemoveCgroup("w/a");
  rig_.Tick();
  EXPECT_THAT(rig_.sampler->departed(), ElementsAre("w/a"));
  EXPECT_THAT(rig_.sampler->arrived(), IsEmpty());
  EXPECT_EQ(rig_.sampler->Find("w/a"), nullptr);
  EXPECT_NE(rig_.sampler->Find("w/b"), nullptr);
  EXPECT_EQ(rig_.counters.tracked.size(), has_perf_tree ? 1u : 0u);
  EXPECT_EQ(rig_.counters.governed, 3);
}

TEST_P(SamplerTest, RemovedAndMadeAgainIsANewWorkload) {
  rig_.PutUsage("w/a", 5'000'000);
  rig_.Tick();
  rig_.Tick();
  const WorkloadIdentity before = rig_.sampler->Find("w/a")->identity;
  rig_.RemoveCgroup("w/a");
  rig_.PutUsage("w/a", 7'000'000);
  rig_.Tick();
  EXPECT_THAT(rig_.sampler->departed(), ElementsAre("w/a"));
  EXPECT_THAT(rig_.sampler->arrived(), ElementsAre("w/a"));
  const WorkloadIdentity& after = rig_.sampler->Find("w/a")->identity;
  EXPECT_GT(after.key, before.key) << "keys are never used twice";
  EXPECT_NE(after.instance, before.instance);
  EXPECT_EQ(rig_.Get("w/a", Reading::kCpuUsageCores), std::nullopt)
      << "the new one's total is no growth of the old one's";
}

TEST_P(SamplerTest, OneThatVanishesBetweenDiscoveriesDoesNoHarm) {
  rig_.options.slow_every = 5;
  rig_.PutUsage("w/a", 0);
  rig_.PutUsage("w/b", 0);
  rig_.Tick();
  rig_.RemoveCgroup("w/a");
  for (int i = 1; i <= 4; ++i) {
    rig_.PutUsage("w/b", 500'000 * i);
    rig_.Tick();
    EXPECT_NEAR(*rig_.Get("w/b", Reading::kCpuUsageCores), 0.5, 1e-6) << "tick " << i;
    EXPECT_THAT(rig_.sampler->departed(), IsEmpty());
  }
  rig_.Tick();
  EXPECT_THAT(rig_.sampler->departed(), ElementsAre("w/a"));
}

TEST_P(SamplerTest, MoreThanTheLimitAreLeftOutAndTheLimitIsNamed) {
  rig_.options.most_workloads = 2;
  for (const char* name : {"w/a", "w/b", "w/c", "w/d"}) rig_.PutUsage(name, 0);
  rig_.Tick();
  EXPECT_EQ(rig_.sampler->workloads().size(), 2u);
  EXPECT_NE(rig_.sampler->Find("w/b"), nullptr) << "by path order";
  EXPECT_EQ(rig_.sampler->left_out(), 2);
  EXPECT_THAT(rig_.sampler->left_out_reason(), HasSubstr("discovery.most_workloads = 2"));
  // One goes, one of those left out takes its place.
  rig_.RemoveCgroup("w/a");
  rig_.Tick();
  EXPECT_NE(rig_.sampler->Find("w/c"), nullptr);
  EXPECT_EQ(rig_.sampler->left_out(), 1);
}

TEST_P(SamplerTest, SlowReadingsAreCarriedBetweenTheTicksThatReadThem) {
  rig_.options.slow_every = 4;
  rig_.PutUsage("w/a", 0);
  const std::string file = rig_.layout == Layout::kV2 ? "w/a/memory.current" : "memory/w/a/memory.usage_in_bytes";
  rig_.tree.Put(file, "100\n");
  rig_.Tick();
  EXPECT_EQ(rig_.Get("w/a", Reading::kMemoryUsageBytes), 100.0) << "a newcomer is read at once";
  rig_.Tick();
  rig_.tree.Put(file, "200\n");
  int ticks_until_seen = 0;
  while (rig_.Get("w/a", Reading::kMemoryUsageBytes) != 200.0) {
    ASSERT_EQ(rig_.Get("w/a", Reading::kMemoryUsageBytes), 100.0);
    ASSERT_LE(++ticks_until_seen, 4);
    rig_.Tick();
  }
}

TEST_P(SamplerTest, ASampleSaysWhenItWasTakenAndHowLongItsIntervalWas) {
  rig_.PutUsage("w/a", 0);
  rig_.Tick();
  rig_.PutUsage("w/a", 3'000'000);
  rig_.Tick(absl::Milliseconds(1500));
  EXPECT_EQ(rig_.SampleOf("w/a").taken_at, rig_.clock.Monotonic());
  EXPECT_EQ(rig_.SampleOf("w/a").interval, absl::Milliseconds(1500));
  EXPECT_NEAR(*rig_.Get("w/a", Reading::kCpuUsageCores), 2, 1e-6) << "rates divide by the time that really passed";
}

TEST_P(SamplerTest, CountersBecomeRatesOfTheTimeTheyWereOn) {
  if (!rig_.has_unified()) GTEST_SKIP() << "no tree for perf events on this layout";
  rig_.PutUsage("w/a", 0);
  rig_.Tick();
  host::CounterReadings& counted = rig_.counters.readings[rig_.sampler->Find("w/a")->identity.key];
  counted.enabled = absl::Milliseconds(500);
  counted.instructions = 1e6;
  counted.cycles = 2e6;
  counted.llc_misses = 500;
  counted.scale_factor = 1.5;
  rig_.Tick();
  EXPECT_EQ(rig_.Get("w/a", Reading::kInstructionsPerSecond), 2e6);
  EXPECT_EQ(rig_.Get("w/a", Reading::kCyclesPerSecond), 4e6);
  EXPECT_EQ(rig_.Get("w/a", Reading::kCyclesPerInstruction), 2.0);
  EXPECT_EQ(rig_.Get("w/a", Reading::kLlcMissesPerKiloInstruction), 0.5);
  EXPECT_EQ(rig_.Get("w/a", Reading::kLlcReferencesPerKiloInstruction), std::nullopt) << "was not counted";
  EXPECT_EQ(rig_.Get("w/a", Reading::kDramFillBytesPerSecond), std::nullopt);
  EXPECT_EQ(rig_.Get("w/a", Reading::kCounterScaleFactor), 1.5);
  // Hardly anything ran: rates stand, ratios mean nothing.
  counted.instructions = 100;
  rig_.Tick();
  EXPECT_EQ(rig_.Get("w/a", Reading::kInstructionsPerSecond), 200.0);
  EXPECT_EQ(rig_.Get("w/a", Reading::kCyclesPerInstruction), std::nullopt);
  // Not its turn: missing, not carried over.
  rig_.counters.readings.clear();
  rig_.Tick();
  EXPECT_EQ(rig_.Get("w/a", Reading::kInstructionsPerSecond), std::nullopt);
}

TEST_P(SamplerTest, WorksWithoutCounters) {
  rig_.with_counters = false;
  rig_.PutUsage("w/a", 0);
  rig_.Tick();
  rig_.PutUsage("w/a", 1'000'000);
  rig_.Tick();
  EXPECT_NEAR(*rig_.Get("w/a", Reading::kCpuUsageCores), 1, 1e-6);
}

}  // namespace
}  // namespace truce::agent
