// The event table and the probe: which events are counted on which host, and what is said when they can't be.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "src/host/counters_events.h"
#include "tests/host/counters/fake_perf.h"

namespace truce::host {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Lets libpfm4 encode events of CPUs that this is not. It looks once, when any test of this binary first asks it.
const bool kEncodeInactive = setenv("LIBPFM_ENCODE_INACTIVE", "1", 1) == 0;

absl::StatusOr<PerfEvent> Encode(std::string_view name) {
  return PerfEvent{std::string(name)};
}

std::vector<std::string> Names(const LevelEvents& level) {
  std::vector<std::string> names;
  for (const CounterEvent& event : level.events) names.push_back(event.event.name);
  return names;
}

bool IsHardware(const PerfEvent& event) {
  return event.name != "perf::CONTEXT-SWITCHES";
}

TEST(CpuModelTableTest, EveryEventThatThisLibraryKnowsEncodes) {
  ASSERT_TRUE(kEncodeInactive);
  int encoded = 0;
  for (const CpuModelEvents& model : CpuModelTable()) {
    // Models of other architectures are not in this build of the library.
    if (std::string_view(model.pmu).starts_with("arm_")) continue;
    for (const char* name : {model.llc_references, model.llc_misses, model.dram_fills}) {
      if (name == nullptr) continue;
      const auto event = EncodeEvent(name);
#if defined(__x86_64__)
      ASSERT_TRUE(event.ok()) << event.status();
      EXPECT_NE(event->config, 0u) << name;
      ++encoded;
#endif
    }
  }
#if defined(__x86_64__)
  EXPECT_GT(encoded, 10);
  // AMD family 19h, event 0x44, sources local and remote memory (PPR 55898).
  EXPECT_EQ(EncodeEvent(FindCpuModel("amd64_fam19h_zen3")->dram_fills)->config & 0xffffu, 0x4844u);
#endif
}

TEST(EncodeEventTest, KnowsGenericEventsAndRefusesOthers) {
  const auto switches = EncodeEvent("perf::CONTEXT-SWITCHES");
  ASSERT_TRUE(switches.ok()) << switches.status();
  EXPECT_EQ(switches->type, 1u);    // PERF_TYPE_SOFTWARE
  EXPECT_EQ(switches->config, 3u);  // PERF_COUNT_SW_CONTEXT_SWITCHES
  const auto unknown = EncodeEvent("perf::NO-SUCH-THING");
  EXPECT_EQ(unknown.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(unknown.status().message()), HasSubstr("NO-SUCH-THING"));
}

TEST(ProbePmuTest, Zen3CountsDramFills) {
  FakePerf perf;
  const PmuProbe probe = ProbePmu(&perf, Encode, "amd64_fam19h_zen3", 0, 2);
  EXPECT_TRUE(probe.pmu_available);
  ASSERT_EQ(probe.levels.size(), 3u);
  EXPECT_EQ(probe.levels[0].level, CounterLevel::kFull);
  ASSERT_EQ(probe.levels[0].events.size(), 5u);
  EXPECT_EQ(probe.levels[0].events[4].role, CounterRole::kDramFills);
  EXPECT_EQ(probe.levels[0].events[4].unit, 64);
  EXPECT_THAT(Names(probe.levels[1]), ElementsAre("perf::CYCLES", "perf::INSTRUCTIONS"));
  EXPECT_THAT(Names(probe.levels[2]), ElementsAre("perf::CONTEXT-SWITCHES"));
  EXPECT_THAT(probe.dropped, IsEmpty());
  EXPECT_EQ(perf.open(), 0u);
}

TEST(ProbePmuTest, UnknownCpuCountsGenericEvents) {
  FakePerf perf;
  const PmuProbe probe = ProbePmu(&perf, Encode, "cpu_of_next_year", 0, 2);
  EXPECT_TRUE(probe.pmu_available);
  EXPECT_THAT(Names(probe.levels[0]),
              ElementsAre("perf::CYCLES", "perf::INSTRUCTIONS", "perf::CACHE-REFERENCES", "perf::CACHE-MISSES"));
}

TEST(ProbePmuTest, EventsThatDoNotOpenAreDroppedOneByOneAndNamed) {
  FakePerf perf;
  perf.refuse = [](const PerfEvent& event, const auto&, int) {
    return event.name == "perf::CACHE-REFERENCES" || event.name.find("OCR") != std::string::npos ? EINVAL : 0;
  };
  const PmuProbe probe = ProbePmu(&perf, Encode, "spr", 0, 2);
  EXPECT_TRUE(probe.pmu_available);
  EXPECT_THAT(Names(probe.levels[0]), ElementsAre("perf::CYCLES", "perf::INSTRUCTIONS", "perf::CACHE-MISSES"));
  EXPECT_THAT(probe.dropped,
              ElementsAre(HasSubstr("perf::CACHE-REFERENCES"), HasSubstr("spr::OCR:READS_TO_CORE_DRAM")));
}

TEST(ProbePmuTest, ModelEventThatDoesNotOpenFallsBackToTheGenericOne) {
  FakePerf perf;
  perf.refuse = [](const PerfEvent& event, const auto&, int) {
    return event.name.find("zen4") != std::string::npos ? ENOENT : 0;
  };
  const PmuProbe probe = ProbePmu(&perf, Encode, "amd64_fam19h_zen4", 0, 2);
  EXPECT_THAT(Names(probe.levels[0]), Contains("perf::CACHE-MISSES"));
}

TEST(ProbePmuTest, WithoutPmuSoftwareEventsRemain) {
  for (const int error : {ENOENT, EOPNOTSUPP}) {
    FakePerf perf;
    perf.refuse = [error](const PerfEvent& event, const auto&, int) { return IsHardware(event) ? error : 0; };
    const PmuProbe probe = ProbePmu(&perf, Encode, "icl", 0, 2);
    EXPECT_FALSE(probe.pmu_available);
    ASSERT_EQ(probe.levels.size(), 1u);
    EXPECT_EQ(probe.levels[0].level, CounterLevel::kSoftware);
    EXPECT_THAT(probe.failure.reason, HasSubstr("the hypervisor exposes no PMU"));
    EXPECT_THAT(probe.failure.remedy, HasSubstr("virtual PMU"));
  }
}

TEST(ProbePmuTest, WithoutPermissionTheRemedyNamesTheCapability) {
  FakePerf perf;
  perf.refuse = [](const auto&, const auto&, int) { return EACCES; };
  const PmuProbe probe = ProbePmu(&perf, Encode, "skx", 0, 3);
  EXPECT_FALSE(probe.pmu_available);
  EXPECT_THAT(probe.levels, IsEmpty());
  EXPECT_THAT(probe.failure.reason, HasSubstr("perf_event_paranoid is 3"));
  EXPECT_THAT(probe.failure.remedy, HasSubstr("CAP_PERFMON"));
  EXPECT_THAT(probe.failure.remedy, HasSubstr("perf_event_paranoid to 2")) << "where the capability alone is no help";
  EXPECT_THAT(ProbePmu(&perf, Encode, "skx", 0, 2).failure.remedy, HasSubstr("grant the agent CAP_PERFMON"));
}

TEST(ProbePmuTest, OnlyCyclesMakesOneHardwareLevel) {
  FakePerf perf;
  perf.refuse = [](const PerfEvent& event, const auto&, int) {
    return IsHardware(event) && event.name != "perf::CYCLES" ? EINVAL : 0;
  };
  const PmuProbe probe = ProbePmu(&perf, Encode, "", 0, 2);
  ASSERT_EQ(probe.levels.size(), 2u);
  EXPECT_THAT(Names(probe.levels[0]), ElementsAre("perf::CYCLES"));
  EXPECT_EQ(probe.levels[1].level, CounterLevel::kSoftware);
}

}  // namespace
}  // namespace truce::host
