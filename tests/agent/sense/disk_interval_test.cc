#include "agent/sense/disk_interval.h"

#include <gtest/gtest.h>

namespace truce::agent {
namespace {

host::DiskStats Stats() {
  host::DiskStats stats{.name = "vda", .device = "254:0"};
  stats.operations = {1000, 2000};
  stats.bytes = {4'096'000, 32'768'000};
  stats.milliseconds = {500, 4000};
  stats.busy_milliseconds = 3000;
  stats.queue_milliseconds = 4500;
  return stats;
}

TEST(DiskInterval, IsWhatTheCountersSay) {
  host::DiskStats after = Stats();
  after.operations = {1500, 2000};
  after.bytes[0] += 500 * 8192;
  after.milliseconds[0] += 250;
  after.busy_milliseconds += 100;
  after.queue_milliseconds += 250;
  const auto seen = ObserveBetween(Stats(), after, absl::Seconds(5));
  ASSERT_TRUE(seen.has_value());
  EXPECT_DOUBLE_EQ(seen->load.of[kDiskRead].operations_per_second, 100);
  EXPECT_DOUBLE_EQ(seen->load.of[kDiskRead].mean_bytes(), 8192);
  EXPECT_DOUBLE_EQ(seen->mean_seconds[kDiskRead], 0.0005);
  EXPECT_DOUBLE_EQ(seen->operations[kDiskRead], 500);
  EXPECT_DOUBLE_EQ(seen->in_flight_while_busy, 2.5);
  EXPECT_EQ(seen->load.of[kDiskWrite].operations_per_second, 0);
  EXPECT_TRUE(seen->load.IsSound());
}

TEST(DiskInterval, AnIdleOneIsIdle) {
  const auto seen = ObserveBetween(Stats(), Stats(), absl::Seconds(5));
  ASSERT_TRUE(seen.has_value());
  EXPECT_EQ(seen->load.operations_per_second(), 0);
  EXPECT_EQ(seen->in_flight_while_busy, 0);
}

TEST(DiskInterval, CountersThatGoBackOrWrapGiveNone) {
  const auto refused = [](auto&& change) {
    host::DiskStats after = Stats();
    change(after);
    return !ObserveBetween(Stats(), after, absl::Seconds(5)).has_value();
  };
  EXPECT_TRUE(refused([](auto& after) { after.operations[1] = 1999; }));
  EXPECT_TRUE(refused([](auto& after) { after.bytes[0] = 0; }));
  // Time is counted in 32 bits.
  EXPECT_TRUE(refused([](auto& after) { after.milliseconds[0] = 3; }));
  EXPECT_TRUE(refused([](auto& after) { after.queue_milliseconds = 17; }));
  EXPECT_TRUE(refused([](auto& after) { after.busy_milliseconds = 0; }));
  EXPECT_TRUE(refused([](auto& after) { after.device = "8:0"; }));
  EXPECT_FALSE(ObserveBetween(Stats(), Stats(), absl::ZeroDuration()).has_value());
  EXPECT_FALSE(ObserveBetween(Stats(), Stats(), -absl::Seconds(1)).has_value());
}

}  // namespace
}  // namespace truce::agent
