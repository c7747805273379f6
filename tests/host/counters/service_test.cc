// The counter service on a fake kernel and a fake clock: readings, duty cycle, turns, and running out of descriptors.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <numeric>

#include "src/host/counters_service.h"
#include "tests/host/counters/fake_perf.h"

namespace truce::host {
namespace {

using ::testing::ElementsAre;

// A service over fakes, with a /proc whose switch counts the test writes.
class ServiceTest : public ::testing::Test {
 protected:
  ServiceTest() : procfs_(std::filesystem::temp_directory_path() / ("truce-counters-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(procfs_);
    cgroup_fd_ = UniqueFd(open(procfs_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  ~ServiceTest() override { std::filesystem::remove_all(procfs_); }

  void Start(int max_counted = 256, int cpus = 2, bool with_pmu = true) {
    auto perf = std::make_unique<FakePerf>();
    perf_ = perf.get();
    if (!with_pmu) {
      perf_->refuse = [](const PerfEvent& event, const auto&, int) {
        return event.name == "perf::CONTEXT-SWITCHES" ? 0 : ENOENT;
      };
    }
    CounterSetup setup;
    setup.cpus.resize(static_cast<size_t>(cpus));
    std::iota(setup.cpus.begin(), setup.cpus.end(), 0);
    setup.probe = ProbePmu(
        perf_, [](std::string_view name) { return PerfEvent{std::string(name)}; }, "amd64_fam19h_zen3", 0, 2);
    for (const LevelEvents& level : setup.probe.levels) {
      const absl::Duration cost = level.level == CounterLevel::kFull ? absl::Microseconds(47) : absl::Microseconds(14);
      setup.costs.push_back({level.level, static_cast<int>(level.events.size()), cost});
    }
    setup.max_descriptors = 100000;
    CounterOptions options;
    options.procfs = procfs_;
    options.max_counted = max_counted;
    service_ = std::make_unique<GovernedCounters>(options, std::move(setup), std::move(perf), &clock_);
    Tick(0);
  }

  // One second with so many switches, evenly on two CPUs, then a Govern.
  void Tick(uint64_t switches) {
    clock_.Advance(absl::Seconds(1));
    switches_ += switches;
    std::ofstream(procfs_ / "stat") << "cpu  1 2 3\nintr 5 6\nctxt " << switches_ << "\nbtime 9\n";
    std::ofstream(procfs_ / "schedstat") << "version 15\ntimestamp 1\ncpu0 0 0 0 0 0 0 7 8 " << switches_ / 2
                                         << "\ndomain0 3 1 2\ncpu1 0 0 0 0 0 0 7 8 " << switches_ / 2 << "\n";
    service_->Govern(clock_.Monotonic());
  }
  void Track(int count) {
    for (int key = 0; key < count; ++key) {
      ASSERT_TRUE(service_->Track(static_cast<uint64_t>(key), cgroup_fd_.get()).ok());
    }
  }

  std::filesystem::path procfs_;
  UniqueFd cgroup_fd_;
  FakeClock clock_;
  FakePerf* perf_ = nullptr;
  std::unique_ptr<GovernedCounters> service_;
  uint64_t switches_ = 0;
};

uint64_t Ten(const std::string&) {
  return 10;
}

TEST_F(ServiceTest, ReadsEveryCounterOfAQuietHost) {
  Start();
  Track(1);
  Tick(10);
  EXPECT_FALSE(service_->Read(0).has_value()) << "the interval before had no counters";
  perf_->Run(1000, 500, [](const std::string& name) {
    if (name == "perf::CYCLES") return 300u;
    if (name == "perf::INSTRUCTIONS") return 200u;
    return name.ends_with("FILLS_FROM_SYSTEM:MEM_IO_LCL:MEM_IO_RMT") ? 4u : 7u;
  });
  Tick(10);
  const auto readings = service_->Read(0);
  ASSERT_TRUE(readings.has_value());
  // Two CPUs, and the group had the PMU half the time.
  EXPECT_EQ(readings->cycles, 2 * 2 * 300);
  EXPECT_EQ(readings->instructions, 2 * 2 * 200);
  EXPECT_EQ(readings->llc_misses, 2 * 2 * 7);
  EXPECT_EQ(readings->dram_fill_bytes, 2 * 2 * 4 * 64);
  EXPECT_EQ(readings->scale_factor, 2);
  EXPECT_FALSE(readings->context_switches.has_value());
  EXPECT_EQ(readings->enabled, absl::Seconds(1));
  EXPECT_EQ(service_->status().level, CounterLevel::kFull);
  EXPECT_EQ(service_->status().duty_ratio, 1);
}

TEST_F(ServiceTest, ReadingsAreOfTheInterval) {
  Start();
  Track(1);
  Tick(10);
  for (int i = 0; i < 3; ++i) {
    perf_->Run(1000, 1000, Ten);
    Tick(10);
    EXPECT_EQ(service_->Read(0)->cycles, 20);
  }
}

TEST_F(ServiceTest, GroupThatNeverGotThePmuIsMissing) {
  Start();
  Track(1);
  Tick(10);
  perf_->Run(1000, 0, [](const std::string&) { return 0u; });
  Tick(10);
  const auto readings = service_->Read(0);
  ASSERT_TRUE(readings.has_value());
  EXPECT_FALSE(readings->cycles.has_value());
  EXPECT_FALSE(readings->dram_fill_bytes.has_value());
  EXPECT_FALSE(readings->scale_factor.has_value());
}

TEST_F(ServiceTest, NothingIsCountedBeforeTheSwitchRateIsKnown) {
  Start();
  Track(3);
  EXPECT_EQ(perf_->open(), 0u);
  EXPECT_EQ(service_->status().level, CounterLevel::kOff);
}

TEST_F(ServiceTest, DearCountersRunForTheirDutyAndReadingsKnowIt) {
  Start();
  Track(1);
  int on = 0;
  int read = 0;
  for (int i = 0; i < 200; ++i) {
    if (service_->counting()) ++on;
    EXPECT_EQ(perf_->open(), service_->counting() ? 10u : 0u) << "open events cost even when they are off";
    perf_->Run(1000, 1000, Ten);
    Tick(2000);  // 4.7 % of two CPUs at 47 us
    const auto readings = service_->Read(0);
    if (!readings.has_value()) continue;
    ++read;
    EXPECT_EQ(readings->cycles, 20);
    EXPECT_EQ(readings->enabled, absl::Seconds(1));
  }
  const CounterStatus status = service_->status();
  EXPECT_EQ(status.level, CounterLevel::kFull);
  EXPECT_NEAR(on / 200.0, status.duty_ratio, 0.01);
  EXPECT_LE(std::abs(read - on), 1);
  EXPECT_LE(status.overhead_ratio, 0.006);
  EXPECT_GT(status.overhead_ratio, 0.002);
}

TEST_F(ServiceTest, StormTurnsCountersDownAtOnceAndQuietBringsThemBackLater) {
  Start();
  Track(2);
  Tick(10);
  ASSERT_EQ(service_->status().level, CounterLevel::kFull);
  Tick(3'000'000);
  EXPECT_EQ(service_->status().level, CounterLevel::kOff);
  EXPECT_EQ(perf_->open(), 0u);
  int seconds = 0;
  while (service_->status().level != CounterLevel::kFull && seconds < 300) {
    Tick(10);
    ++seconds;
  }
  EXPECT_GE(seconds, absl::ToInt64Seconds(kRaiseAfter));
  EXPECT_LT(seconds, 300);
}

TEST_F(ServiceTest, MoreWorkloadsThanPlacesTakeTurns) {
  Start(/*max_counted=*/4);
  Track(13);
  std::vector<int> counted(13);
  for (int i = 0; i < 60; ++i) {
    perf_->Run(1000, 1000, Ten);
    Tick(10);
    EXPECT_LE(service_->status().counted_workloads, 4);
    EXPECT_LE(perf_->open(), 4u * 2 * 5);
    for (uint64_t key = 0; key < 13; ++key) {
      const auto readings = service_->Read(key);
      if (!readings.has_value()) continue;
      EXPECT_EQ(readings->cycles, 20);
      ++counted[key];
    }
  }
  EXPECT_GE(*std::min_element(counted.begin(), counted.end()), 10);
  EXPECT_EQ(service_->status().tracked_workloads, 13);
}

TEST_F(ServiceTest, RunningOutOfDescriptorsLowersTheLimit) {
  Start();
  perf_->most_open = 3 * 10 + 7;  // three workloads of 5 events on 2 CPUs, and most of a fourth
  Track(8);
  for (int i = 0; i < 20; ++i) Tick(10);
  EXPECT_EQ(service_->max_counted(), 3);
  EXPECT_EQ(perf_->open(), 30u);
  EXPECT_EQ(service_->status().counted_workloads, 3);
  EXPECT_EQ(service_->status().tracked_workloads, 8);
}

TEST_F(ServiceTest, UntrackClosesAndForgets) {
  Start();
  Track(2);
  Tick(10);
  service_->Untrack(0);
  EXPECT_EQ(perf_->open(), 10u);
  EXPECT_FALSE(service_->Read(0).has_value());
  service_->Untrack(1);
  service_->Untrack(77);
  EXPECT_EQ(perf_->open(), 0u);
  Tick(10);
}

TEST_F(ServiceTest, RefusesWhatCannotBeCounted) {
  Start();
  ASSERT_TRUE(service_->Track(1, cgroup_fd_.get()).ok());
  EXPECT_EQ(service_->Track(1, cgroup_fd_.get()).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_FALSE(service_->Track(2, -1).ok());
  perf_->refuse = [](const auto&, const auto&, int) { return EINVAL; };
  EXPECT_FALSE(service_->Track(3, cgroup_fd_.get()).ok());
  EXPECT_EQ(service_->status().tracked_workloads, 1);
}

TEST_F(ServiceTest, CgroupThatVanishesIsNoTrouble) {
  Start();
  Track(2);
  perf_->refuse = [](const auto&, const auto&, int) { return ENOENT; };
  Tick(10);
  Tick(10);
  EXPECT_EQ(perf_->open(), 0u);
  EXPECT_FALSE(service_->Read(0).has_value());
}

TEST_F(ServiceTest, OfflineCpuIsLeftOut) {
  Start(256, 3);
  perf_->refuse = [](const auto&, const auto&, int cpu) { return cpu == 2 ? ENODEV : 0; };
  Track(1);
  Tick(10);
  perf_->Run(1000, 1000, Ten);
  Tick(10);
  EXPECT_EQ(service_->Read(0)->cycles, 20);
}

TEST_F(ServiceTest, WithoutPmuContextSwitchesAreCounted) {
  Start(256, 2, /*with_pmu=*/false);
  Track(1);
  Tick(10);
  perf_->Run(1000, 1000, Ten);
  Tick(10);
  const auto readings = service_->Read(0);
  ASSERT_TRUE(readings.has_value());
  EXPECT_EQ(readings->context_switches, 20);
  EXPECT_FALSE(readings->cycles.has_value());
  const CounterStatus status = service_->status();
  EXPECT_EQ(status.level, CounterLevel::kSoftware);
  EXPECT_FALSE(status.pmu_available);
  EXPECT_THAT(status.missing_reason, ::testing::HasSubstr("no PMU"));
  EXPECT_THAT(status.events, ElementsAre("perf::CONTEXT-SWITCHES"));
}

TEST_F(ServiceTest, OneStormingCpuIsSeenThroughSchedstat) {
  EXPECT_THAT(ParseTimeSlices("version 15\ncpu0 1 2 3 4 5 6 7 8 90\ndomain0 1 2\ncpu1 1 2 3 4 5 6 7 8 10\n"),
              ElementsAre(90, 10));
  EXPECT_EQ(ParseSwitchCount("cpu 1\nintr 3\nctxt 42\n"), 42u);
  std::ofstream(procfs_ / "stat") << "ctxt 0\n";
  std::ofstream(procfs_ / "schedstat") << "cpu0 0 0 0 0 0 0 0 0 0\ncpu1 0 0 0 0 0 0 0 0 0\n";
  SwitchMeter meter(procfs_);
  EXPECT_FALSE(meter.Measure(absl::Seconds(1)).has_value());
  std::ofstream(procfs_ / "stat") << "ctxt 1000\n";
  std::ofstream(procfs_ / "schedstat") << "cpu0 0 0 0 0 0 0 0 0 900\ncpu1 0 0 0 0 0 0 0 0 100\n";
  const auto rates = meter.Measure(absl::Seconds(3));
  ASSERT_TRUE(rates.has_value());
  EXPECT_DOUBLE_EQ(rates->total, 500);
  EXPECT_DOUBLE_EQ(rates->busiest_cpu, 450);
  std::filesystem::remove(procfs_ / "schedstat");
  std::ofstream(procfs_ / "stat") << "ctxt 9000\n";
  EXPECT_DOUBLE_EQ(meter.Measure(absl::Seconds(4))->busiest_cpu, 8000) << "unknown: all on one CPU";
}

}  // namespace
}  // namespace truce::host
