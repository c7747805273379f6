// From the agent's structs to the wire: what is missing stays missing.
#include "agent/link/report.h"

#include <gtest/gtest.h>

namespace truce::agent {
namespace {

TEST(ToWireTest, ValidReadingsAreSetAndMissingOnesAreNot) {
  Sample sample;
  sample.set(Reading::kCpuUsageCores, 1.5);
  sample.set(Reading::kHostStealRatio, 0.0);
  v1::Readings readings;
  ToWire(sample, &readings);
  EXPECT_TRUE(readings.has_cpu_usage_cores());
  EXPECT_EQ(readings.cpu_usage_cores(), 1.5);
  EXPECT_TRUE(readings.has_host_steal_ratio()) << "zero is a value";
  EXPECT_FALSE(readings.has_cycles_per_instruction());
  for (size_t i = 0; i < kReadingCount; ++i) sample.set(static_cast<Reading>(i), static_cast<double>(i + 1));
  ToWire(sample, &readings);
  EXPECT_EQ(readings.cpu_usage_cores(), 1);
  EXPECT_EQ(readings.host_cpu_busy_ratio(), static_cast<double>(kReadingCount));
}

TEST(ToWireTest, AWorkloadIsWhoItIs) {
  WorkloadIdentity identity;
  identity.name = "docker/3f";
  identity.instance = 77;
  identity.kind = "docker";
  identity.application = "web";
  identity.tenant = "shop";
  identity.workload_class = v1::WORKLOAD_CLASS_CRITICAL;
  identity.priority = -3;
  identity.levers = {v1::LEVER_CPU_QUOTA};
  identity.first_seen = absl::FromUnixSeconds(1'700'000'000);
  v1::Workload workload;
  ToWire(identity, v1::MODE_ADVISE, {"libvirt", "qemu"}, &workload);
  EXPECT_EQ(workload.name(), "docker/3f");
  EXPECT_EQ(workload.instance(), 77u);
  EXPECT_EQ(workload.kind(), "docker");
  EXPECT_EQ(workload.application(), "web");
  EXPECT_EQ(workload.tenant(), "shop");
  EXPECT_EQ(workload.workload_class(), v1::WORKLOAD_CLASS_CRITICAL);
  EXPECT_EQ(workload.priority(), -3);
  EXPECT_EQ(workload.first_seen().seconds(), 1'700'000'000);
  EXPECT_EQ(workload.mode(), v1::MODE_ADVISE);
  ASSERT_EQ(workload.allowed_levers_size(), 1);
  EXPECT_EQ(workload.allowed_levers(0), v1::LEVER_CPU_QUOTA);
  ASSERT_EQ(workload.migration_drivers_size(), 2);
  EXPECT_EQ(workload.migration_drivers(0), "libvirt") << "the preferred one first";
}

TEST(SummariseTest, MeanAnd95thPercentileOverTheNewestSamples) {
  ProfilerOptions options;
  Profile profile(options);
  for (int i = 1; i <= 150; ++i) {
    Sample sample;
    sample.taken_at = absl::Seconds(1000 + i);
    sample.interval = absl::Seconds(1);
    // The newest 101 samples hold 0 to 100, shuffled by a step that is prime to 101.
    sample.set(Reading::kCpuUsageCores, i <= 49 ? 1e6 : static_cast<double>((i - 50) * 37 % 101));
    if (i == 150) sample.set(Reading::kMemoryUsageBytes, 5.0);
    profile.window.Add(sample);
  }
  profile.usage.Learn(2);
  v1::FingerprintSummary summary;
  Summarise(profile, 101, &summary);
  EXPECT_EQ(summary.sample_count(), 101u);
  EXPECT_EQ(summary.window().seconds(), 101);
  EXPECT_DOUBLE_EQ(summary.mean().cpu_usage_cores(), 50);
  EXPECT_DOUBLE_EQ(summary.p95().cpu_usage_cores(), 95);
  EXPECT_EQ(summary.mean().memory_usage_bytes(), 5) << "over the samples that have it";
  EXPECT_FALSE(summary.mean().has_task_count());
  EXPECT_EQ(summary.baseline_mean().cpu_usage_cores(), 2);
  EXPECT_FALSE(summary.baseline_mean().has_cycles_per_instruction()) << "nothing learned yet";
}

TEST(SummariseTest, AnEmptyWindowSaysNothing) {
  ProfilerOptions options;
  const Profile profile(options);
  v1::FingerprintSummary summary;
  Summarise(profile, 60, &summary);
  EXPECT_EQ(summary.ByteSizeLong(), 0u);
}

}  // namespace
}  // namespace truce::agent
