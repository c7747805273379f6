#include "models/storage/device_curve.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "models/storage/device_belief.h"
#include "models/storage/headroom.h"
#include "tests/models/storage/queue.h"

namespace truce {
namespace {

// A disk as there may be one: anywhere within three deviations of what is typical.
DeviceBelief AnyBelief() {
  DeviceBelief belief = DeviceBelief::OfAnyDisk();
  for (int i = 0; i < kDeviceParameters; ++i) {
    belief.mean[i] += *rc::gen::inRange(-300, 301) / 100.0 * std::sqrt(belief.covariance(i, i));
  }
  belief.covariance *= 1e-4;
  return belief;
}

DeviceLoad AnyLoad() {
  return LoadOf(*rc::gen::inRange(0, 100'000), *rc::gen::inRange(512, 1 << 20), *rc::gen::inRange(1, 100'000),
                *rc::gen::inRange(512, 1 << 20));
}

TEST(DeviceCurve, OneServerIsTheQueueOfTheTextbooks) {
  DeviceVector logarithms = DeviceBelief::OfAnyDisk().mean;
  logarithms[ParameterOf(kDiskRead, kService)] = std::log(0.01);
  logarithms[ParameterOf(kDiskRead, kOccupied)] = 0;
  logarithms[ParameterOf(kDiskRead, kWait)] = 0;
  logarithms[ParameterOf(kDiskRead, kCrowding)] = -40;
  logarithms[kServers] = -40;
  const DeviceCurve curve(logarithms);
  for (const double utilisation : {0.1, 0.5, 0.9}) {
    const DeviceLatency latency = curve.At(LoadOf(utilisation / 0.01, 0, 0, 0));
    EXPECT_NEAR(latency.utilisation_ratio, utilisation, 1e-9);
    // M/M/1: service / (1 - utilisation).
    EXPECT_NEAR(latency.mean_seconds[kDiskRead], 0.01 / (1 - utilisation), 1e-6);
  }
}

RC_GTEST_PROP(DeviceCurve, LatencyNeverFallsWithLoad, ()) {
  const DeviceCurve curve = AnyBelief().curve();
  const DeviceLoad load = AnyLoad();
  DeviceLoad more = load.Times(1 + *rc::gen::inRange(0, 1000) / 100.0);
  // And more of one direction alone, at its size.
  const size_t direction = *rc::gen::inRange(0, 2);
  more.of[direction].operations_per_second *= 3;
  more.of[direction].bytes_per_second *= 3;
  const DeviceLatency at = curve.At(load);
  const DeviceLatency beyond = curve.At(more);
  for (const size_t one : kDiskDirections) {
    RC_ASSERT(std::isfinite(beyond.p99_seconds[one]));
    RC_ASSERT(at.mean_seconds[one] <= beyond.mean_seconds[one] * (1 + 1e-12));
    RC_ASSERT(at.p99_seconds[one] <= beyond.p99_seconds[one] * (1 + 1e-12));
    RC_ASSERT(at.mean_seconds[one] <= at.p99_seconds[one]);
  }
  RC_ASSERT(at.utilisation_ratio <= beyond.utilisation_ratio);
}

RC_GTEST_PROP(Headroom, IsLessWithMoreLoadAndDoublesThere, ()) {
  const DeviceBelief belief = AnyBelief();
  const DeviceLoad load = AnyLoad();
  const double factor = 1 + *rc::gen::inRange(1, 500) / 100.0;
  const auto now = HeadroomOf(belief, load);
  const auto later = HeadroomOf(belief, load.Times(factor));
  RC_ASSERT(now.has_value() && later.has_value());
  // What is unloaded stays what it is, whatever the load is now.
  RC_ASSERT(std::abs(now->until_doubled_unloaded / (later->until_doubled_unloaded * factor) - 1) < 1e-6);
  // Never beyond what the disk can do, and no later than against now.
  const double full = 1 / belief.curve().Utilisation(load);
  RC_ASSERT(now->until_doubled_unloaded <= full * (1 + 1e-9));
  RC_ASSERT(now->until_doubled_unloaded <= now->until_doubled_now * (1 + 1e-9));
  RC_ASSERT(std::isfinite(now->spread_unloaded) && now->spread_unloaded >= 0);
  // Nothing has doubled just below it.
  const DeviceLatency below = belief.curve().At(load.Times(now->until_doubled_unloaded * 0.999));
  for (const size_t one : kDiskDirections) {
    if (load.of[one].operations_per_second <= 0) continue;
    RC_ASSERT(below.p99_seconds[one] <= 2 * belief.curve().ServiceP99(one, load.of[one].mean_bytes()));
  }
}

TEST(Headroom, OfNothingIsNotSaid) {
  EXPECT_FALSE(HeadroomOf(DeviceBelief::OfAnyDisk(), DeviceLoad()).has_value());
}

TEST(DeviceCurve, WhoeverAsksOneAfterTheOtherDoesNotWait) {
  // A spinning disk with one reader that never rests: fully used, and each read takes what it takes.
  DeviceVector logarithms = DeviceBelief::OfAnyDisk().mean;
  logarithms[ParameterOf(kDiskRead, kService)] = std::log(0.008);
  logarithms[ParameterOf(kDiskRead, kOccupied)] = 0;
  logarithms[ParameterOf(kDiskRead, kCrowding)] = -40;
  const DeviceCurve curve(logarithms);
  const DeviceLoad load = LoadOf(125, 0, 0, 0);
  EXPECT_NEAR(curve.MeanSeen(kDiskRead, load, 1), 0.008, 1e-6);
  EXPECT_NEAR(curve.MeanSeen(kDiskRead, load, 4), 0.032, 1e-6);
}

TEST(DeviceLoad, NonsenseIsNotSound) {
  EXPECT_TRUE(DeviceLoad().IsSound());
  EXPECT_FALSE(LoadOf(NAN, 0, 0, 0).IsSound());
  EXPECT_FALSE(LoadOf(-1, 0, 0, 0).IsSound());
  DeviceLoad bytes_of_nothing;
  bytes_of_nothing.of[kDiskRead].bytes_per_second = 1;
  EXPECT_FALSE(bytes_of_nothing.IsSound());
}

}  // namespace
}  // namespace truce
