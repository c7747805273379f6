// Every reading of a workload, from the files of each layout: written totals, a clock moved by hand, exact values.
#include <gtest/gtest.h>

#include "agent/sense/collectors.h"
#include "tests/agent/sense/rig.h"

namespace truce::agent {
namespace {

INSTANTIATE_TEST_SUITE_P(Layouts, CollectTest, testing::ValuesIn(kLayouts),
                         [](const auto& parameter) { return LayoutName(parameter.param); });

TEST_P(CollectTest, CpuTimeAndItsSystemShare) {
  rig_.PutUsage("w/a", 1'000'000, 100'000);
  rig_.Tick();
  Expect(Reading::kCpuUsageCores, std::nullopt);
  rig_.PutUsage("w/a", 4'000'000, 1'600'000);
  rig_.Tick(absl::Seconds(2));
  Expect(Reading::kCpuUsageCores, 1.5);
  Expect(Reading::kCpuSystemRatio, rig_.has_unified() ? std::optional(0.5) : std::nullopt);
  // A total that went back is a reset, not a huge or negative use.
  rig_.PutUsage("w/a", 10, 0);
  rig_.Tick();
  Expect(Reading::kCpuUsageCores, std::nullopt);
}

TEST_P(CollectTest, ThrottlingIsTheShareOfPeriodsOfTheInterval) {
  rig_.throttling = "nr_periods 100\nnr_throttled 10\nthrottled_usec 1\n";
  rig_.PutUsage("w/a", 0);
  rig_.Tick();
  Expect(Reading::kCpuThrottledRatio, std::nullopt);
  rig_.throttling = "nr_periods 110\nnr_throttled 14\nthrottled_usec 2\n";
  rig_.PutUsage("w/a", 0);
  rig_.Tick();
  Expect(Reading::kCpuThrottledRatio, 0.4);
  rig_.throttling = "nr_periods 120\nnr_throttled 14\nthrottled_usec 2\n";
  rig_.PutUsage("w/a", 0);
  rig_.Tick();
  Expect(Reading::kCpuThrottledRatio, 0.0);
  // No quota in force: no periods pass, and there is nothing to be a share of.
  rig_.Tick();
  Expect(Reading::kCpuThrottledRatio, std::nullopt);
}

TEST_P(CollectTest, QuotaAndAllowedCpus) {
  rig_.PutUsage("w/a", 0);
  auto put_quota = [this](int64_t quota_us, int64_t period_us) {
    if (v2()) {
      rig_.tree.Put("w/a/cpu.max",
                    quota_us < 0 ? StrCat("max ", period_us, "\n") : StrCat(quota_us, " ", period_us, "\n"));
    } else {
      rig_.tree.Put("cpu,cpuacct/w/a/cpu.cfs_quota_us", StrCat(quota_us, "\n"));
      rig_.tree.Put("cpu,cpuacct/w/a/cpu.cfs_period_us", StrCat(period_us, "\n"));
    }
  };
  put_quota(-1, 100'000);
  rig_.tree.Put(v2() ? "w/a/cpuset.cpus.effective" : "cpuset/w/a/cpuset.effective_cpus", "0-2,7\n");
  rig_.Tick();
  Expect(Reading::kCpuQuotaCores, std::nullopt);
  Expect(Reading::kCpuAllowedCount, 4.0);
  put_quota(150'000, 50'000);
  rig_.Tick();
  Expect(Reading::kCpuQuotaCores, 3.0);
  put_quota(-1, 50'000);
  rig_.Tick();
  Expect(Reading::kCpuQuotaCores, std::nullopt);
}

TEST_P(CollectTest, PressureIsTheShareOfTheIntervalStalled) {
  rig_.PutUsage("w/a", 0);
  rig_.PutPressure("w/a", "cpu", 1'000'000, std::nullopt);
  rig_.PutPressure("w/a", "memory", 10, 5);
  rig_.PutPressure("w/a", "io", 0, 0);
  rig_.Tick();
  rig_.PutPressure("w/a", "cpu", 1'250'000, std::nullopt);
  rig_.PutPressure("w/a", "memory", 100'010, 50'005);
  rig_.PutPressure("w/a", "io", 900'000, 300'000);
  rig_.Tick();
  auto there = [this](double value) { return rig_.has_unified() ? std::optional(value) : std::nullopt; };
  Expect(Reading::kPsiCpuSomeRatio, there(0.25));
  Expect(Reading::kPsiMemorySomeRatio, there(0.1));
  Expect(Reading::kPsiMemoryFullRatio, there(0.05));
  Expect(Reading::kPsiIoSomeRatio, there(0.9));
  Expect(Reading::kPsiIoFullRatio, there(0.3));
  // The kernel adds up late at times; a share is never more than all.
  rig_.PutPressure("w/a", "io", 3'000'000, 2'000'000);
  rig_.Tick();
  Expect(Reading::kPsiIoSomeRatio, there(1.0));
}

TEST_P(CollectTest, MemoryAndFaults) {
  rig_.PutUsage("w/a", 0);
  auto put = [this](int64_t usage, const std::string& limit, int64_t inactive, int64_t faults, int64_t major) {
    const std::string directory = v2() ? "w/a/" : "memory/w/a/";
    const char* prefix = v2() ? "" : "total_";
    rig_.tree.Put(directory + (v2() ? "memory.current" : "memory.usage_in_bytes"), StrCat(usage, "\n"));
    rig_.tree.Put(directory + (v2() ? "memory.max" : "memory.limit_in_bytes"), limit + "\n");
    // On v1 the plain keys are the cgroup without its children; on v2 there is one of each.
    rig_.tree.Put(directory + "memory.stat",
                  StrCat(v2() ? "" : "inactive_file 1\npgfault 1\npgmajfault 1\n", prefix, "inactive_file ", inactive,
                         "\n", prefix, "pgfault ", faults, "\n", prefix, "pgmajfault ", major, "\n"));
  };
  put(1'000'000, v2() ? "max" : "9223372036854771712", 400'000, 100, 0);
  rig_.Tick();
  Expect(Reading::kMemoryUsageBytes, 1e6);
  Expect(Reading::kMemoryWorkingSetBytes, 6e5);
  Expect(Reading::kMemoryLimitBytes, std::nullopt);
  Expect(Reading::kPageFaultsPerSecond, std::nullopt);
  put(1'000'000, "2097152", 1'200'000, 600, 7);
  rig_.Tick();
  Expect(Reading::kMemoryLimitBytes, 2097152.0);
  Expect(Reading::kMemoryWorkingSetBytes, 0.0);
  Expect(Reading::kPageFaultsPerSecond, 500.0);
  Expect(Reading::kMajorFaultsPerSecond, 7.0);
}

TEST_P(CollectTest, BlockIoOverAllDevicesAndTheLatencyOfTheBusiestOne) {
  rig_.PutUsage("w/a", 0);
  auto put = [this](int64_t read, int64_t written, int64_t reads, int64_t writes) {
    if (v2()) {
      rig_.tree.Put("w/a/io.stat",
                    StrCat("8:0 rbytes=", read, " wbytes=", written, " rios=", reads, " wios=", writes,
                           " dbytes=9 dios=9\n259:0 rbytes=50 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n"));
      return;
    }
    rig_.tree.Put(
        "blkio/w/a/blkio.throttle.io_service_bytes_recursive",
        StrCat("8:0 Read ", read, "\n8:0 Write ", written, "\n8:0 Sync 1\n8:0 Async 2\n8:0 Total ", read + written,
               "\n259:0 Read 50\n259:0 Write 0\n259:0 Total 50\nTotal ", read + written + 50, "\n"));
    rig_.tree.Put(
        "blkio/w/a/blkio.throttle.io_serviced_recursive",
        StrCat("8:0 Read ", reads, "\n8:0 Write ", writes, "\n8:0 Total 0\n259:0 Read 1\n259:0 Write 0\nTotal 0\n"));
  };
  // 259:0 is slower, but the workload hardly uses it.
  rig_.proc.Put("diskstats",
                "   8       0 sda 100 0 800 200 100 0 800 200 0 0 0\n 259       0 nvme0n1 10 0 0 10 0 0 0 0 0 0 0\n");
  put(1000, 2000, 10, 20);
  rig_.Tick();
  Expect(Reading::kDiskReadBytesPerSecond, std::nullopt);
  put(5000, 12000, 14, 40);
  rig_.proc.Put("diskstats",
                "   8       0 sda 150 0 800 300 150 0 800 300 0 0 0\n 259       0 nvme0n1 20 0 0 9010 0 0 0 0 0 0 0\n");
  rig_.Tick(absl::Seconds(2));
  Expect(Reading::kDiskReadBytesPerSecond, 2000.0);
  Expect(Reading::kDiskWriteBytesPerSecond, 5000.0);
  Expect(Reading::kDiskReadOperationsPerSecond, 2.0);
  Expect(Reading::kDiskWriteOperationsPerSecond, 10.0);
  Expect(Reading::kDiskLatencySeconds, 0.002);
  // No operation ended on the device: its latency is not known, and not zero.
  rig_.Tick();
  Expect(Reading::kDiskLatencySeconds, std::nullopt);
}

TEST_P(CollectTest, NetworkOfANamespaceOfItsOwn) {
  rig_.PutUsage("w/a", 0);
  rig_.proc.Put("self/ns/net", "");
  rig_.proc.Put("50/ns/net", "");  // another inode: a namespace of its own
  rig_.tree.Put(rig_.ProcessList("w/a"), "50\n51\n");
  const std::string head = "Inter-|   Receive                            |  Transmit\n face |bytes packets\n";
  rig_.proc.Put("50/net/dev",
                head + "    lo: 999 1 0 0 0 0 0 0 999 1 0 0 0 0 0 0\n  eth0:1000 1 0 0 0 0 0 0 500 1 0 0 0 0 0 0\n");
  rig_.Tick();
  Expect(Reading::kNetworkReceiveBytesPerSecond, std::nullopt);
  rig_.proc.Put("50/net/dev",
                head +
                    "    lo: 9999 1 0 0 0 0 0 0 9999 1 0 0 0 0 0 0\n  eth0:3000 1 0 0 0 0 0 0 600 1 0 0 0 0 0 0\n"
                    "  eth1:   0 1 0 0 0 0 0 0 400 1 0 0 0 0 0 0\n");
  rig_.Tick(absl::Seconds(2));
  Expect(Reading::kNetworkReceiveBytesPerSecond, 1000.0);
  Expect(Reading::kNetworkTransmitBytesPerSecond, 250.0);
}

TEST_P(CollectTest, NetworkOfTheHostsNamespaceIsMissing) {
  rig_.PutUsage("w/a", 0);
  rig_.proc.Put("self/ns/net", "");
  rig_.proc.MakeDirectory("50/ns");
  std::filesystem::create_hard_link(rig_.proc.Path("self/ns/net"), rig_.proc.Path("50/ns/net"));  // the same inode
  rig_.proc.Put("50/net/dev", "  eth0:1000 1 0 0 0 0 0 0 500 1 0 0 0 0 0 0\n");
  rig_.tree.Put(rig_.ProcessList("w/a"), "50\n");
  rig_.Tick();
  rig_.Tick();
  Expect(Reading::kNetworkReceiveBytesPerSecond, std::nullopt);
}

TEST_P(CollectTest, HostStealAndBusyAreSharesOfAllCpuTime) {
  rig_.PutUsage("w/a", 0);
  //                      user nice system idle iowait irq softirq steal guest guest_nice
  rig_.proc.Put("stat", "cpu  100 0 100 800 0 0 0 0 50 0\ncpu0 1 2 3\nintr 5\n");
  rig_.Tick();
  Expect(Reading::kHostStealRatio, std::nullopt);
  Expect(Reading::kHostCpuBusyRatio, std::nullopt);
  rig_.proc.Put("stat", "cpu  140 5 105 820 10 5 5 10 90 0\ncpu0 1 2 3\n");
  rig_.Tick();
  // 100 ticks passed (guest is part of user): 10 stolen, 30 idle or waiting for a disk.
  Expect(Reading::kHostStealRatio, 0.1);
  Expect(Reading::kHostCpuBusyRatio, 0.6);
  rig_.proc.Remove("stat");
  rig_.Tick();
  Expect(Reading::kHostStealRatio, std::nullopt);
}

TEST_P(CollectTest, AWorkloadWithoutAnyFileHasNoReadingsButThoseOfTheHost) {
  rig_.tree.MakeDirectory(rig_.has_unified() ? rig_.Unified("w/a", "") : rig_.Cpu("w/a", ""));
  rig_.Tick();
  rig_.Tick();
  for (size_t i = 0; i < kReadingCount; ++i) {
    const auto reading = static_cast<Reading>(i);
    if (reading == Reading::kCpuAllowedCount) continue;  // every CPU of the host
    Expect(reading, std::nullopt);
  }
}

}  // namespace
}  // namespace truce::agent
