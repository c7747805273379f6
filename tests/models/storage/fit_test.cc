#include "models/storage/fit.h"

#include <gtest/gtest.h>

#include <limits>

#include "models/storage/headroom.h"
#include "tests/models/storage/queue.h"

namespace truce {
namespace {

double MedianError(const DeviceBelief& belief, const QueueingDisk& disk, bool p99, std::mt19937_64& random) {
  std::vector<double> errors;
  for (const double read_share : {0.2, 0.8}) {
    for (const double bytes : {16384.0, 131072.0}) {
      for (const double utilisation : {0.3, 0.6, 0.8, 0.9}) {
        const DeviceLoad load = LoadAt(disk, read_share, bytes, utilisation);
        const MeasuredPoint point = Measure(disk, Pacing::kOpen, load, random);
        const DeviceLatency expected = belief.curve().At(load);
        for (const size_t one : kDiskDirections) {
          const double measured = p99 ? *point.p99_seconds[one] : *point.mean_seconds[one];
          const double said = p99 ? expected.p99_seconds[one] : expected.mean_seconds[one];
          errors.push_back(std::abs(said / measured - 1));
        }
      }
    }
  }
  std::nth_element(errors.begin(), errors.begin() + static_cast<std::ptrdiff_t>(errors.size() / 2), errors.end());
  return errors[errors.size() / 2];
}

// The factor at which the queue's own 99th percentile of reads or writes has doubled.
double DoublesAt(const QueueingDisk& disk, double read_share, double bytes, std::mt19937_64& random) {
  const MeasuredPoint alone = Measure(disk, Pacing::kOpen, LoadAt(disk, read_share, bytes, 0.001), random);
  for (double utilisation = 0.2; utilisation < 1; utilisation += 0.01) {
    const MeasuredPoint point = Measure(disk, Pacing::kOpen, LoadAt(disk, read_share, bytes, utilisation), random);
    for (const size_t one : kDiskDirections) {
      if (point.p99_seconds[one].has_value() && *point.p99_seconds[one] >= 2 * *alone.p99_seconds[one]) {
        return utilisation;
      }
    }
  }
  return 1;
}

class FitOfQueue : public testing::TestWithParam<int> {};

TEST_P(FitOfQueue, SaysWhatOtherLoadsTakeAndWhenTheTailDoubles) {
  std::mt19937_64 random(7);
  const QueueingDisk disk{.servers = GetParam()};
  const auto fit = FitDevice(MeasureGrid(disk, random));
  ASSERT_TRUE(fit.ok()) << fit.status();
  EXPECT_LT(MedianError(fit->belief, disk, false, random), 0.1);
  EXPECT_LT(MedianError(fit->belief, disk, true, random), 0.15);
  const DeviceLoad load = LoadAt(disk, 0.7, 16384, 0.25);
  const auto headroom = HeadroomOf(fit->belief, load);
  ASSERT_TRUE(headroom.has_value());
  EXPECT_NEAR(headroom->until_doubled_unloaded * 0.25, DoublesAt(disk, 0.7, 16384, random), 0.12);
  EXPECT_LT(headroom->spread_unloaded, 0.2);
}

INSTANTIATE_TEST_SUITE_P(Servers, FitOfQueue, testing::Values(1, 4, 32));

TEST(FitDevice, WildPointsDontMatter) {
  std::mt19937_64 random(3);
  const QueueingDisk disk;
  std::vector<MeasuredPoint> points = MeasureGrid(disk, random);
  const auto clean = FitDevice(points);
  for (const size_t at : {2, 9, 17}) {
    for (const size_t one : kDiskDirections) {
      if (points[at].mean_seconds[one].has_value()) *points[at].mean_seconds[one] *= 50;
      if (points[at].p99_seconds[one].has_value()) *points[at].p99_seconds[one] *= 50;
    }
  }
  const auto dirty = FitDevice(points);
  ASSERT_TRUE(clean.ok() && dirty.ok());
  for (const double utilisation : {0.01, 0.5, 0.8}) {
    const DeviceLoad load = LoadAt(disk, 0.5, 16384, utilisation);
    EXPECT_NEAR(
        dirty->belief.curve().At(load).mean_seconds[kDiskRead] / clean->belief.curve().At(load).mean_seconds[kDiskRead],
        1, 0.2);
  }
}

TEST(FitDevice, WhatWasNeverPushedHasAnUnsureHeadroom) {
  std::mt19937_64 random(5);
  const QueueingDisk disk;
  std::vector<MeasuredPoint> points;
  for (const double bytes : {4096.0, 65536.0}) {
    points.push_back(Measure(disk, Pacing::kAlone, LoadAt(disk, 1, bytes, 0.001), random));
    points.push_back(Measure(disk, Pacing::kOpen, LoadAt(disk, 1, bytes, 0.05), random));
  }
  const auto fit = FitDevice(points);
  ASSERT_TRUE(fit.ok());
  EXPECT_GT(HeadroomOf(fit->belief, LoadAt(disk, 1, 4096, 0.05))->spread_unloaded, 0.5);
}

TEST(FitDevice, NonsenseIsRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(FitDevice({}).status()));
  std::mt19937_64 random(5);
  const QueueingDisk disk;
  for (const double bad : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN()}) {
    std::vector<MeasuredPoint> points = MeasureGrid(disk, random);
    points[0].mean_seconds[kDiskWrite] = bad;
    EXPECT_TRUE(absl::IsInvalidArgument(FitDevice(points).status())) << bad;
  }
}

}  // namespace
}  // namespace truce
