// A disk that is a queue before some servers, operation by operation: what a curve is held against.
#pragma once

#include <algorithm>
#include <random>
#include <vector>

#include "models/storage/device_load.h"
#include "models/storage/fit.h"

namespace truce {

struct QueueingDisk {
  int servers = 4;
  // Seconds of an operation in the mean, and the share of it that does not vary; the rest is exponential.
  std::array<double, 2> seconds = {100e-6, 150e-6};
  double steady_share = 0.5;
  // Seconds more per byte.
  double seconds_per_byte = 2e-9;

  double Service(size_t direction, double bytes) const { return seconds[direction] + seconds_per_byte * bytes; }
  double Utilisation(const DeviceLoad& load) const {
    double utilisation = 0;
    for (const size_t direction : kDiskDirections) {
      const DirectionLoad& one = load.of[direction];
      utilisation += one.operations_per_second * Service(direction, one.mean_bytes()) / servers;
    }
    return utilisation;
  }

  // Latencies of `count` operations that come at random times, by direction.
  std::array<std::vector<double>, 2> Run(const DeviceLoad& load, int count, std::mt19937_64& random) const {
    std::array<std::vector<double>, 2> latencies;
    std::vector<double> free_at(static_cast<size_t>(servers), 0.0);
    std::exponential_distribution<double> gap(load.operations_per_second());
    std::exponential_distribution<double> vary(1);
    std::bernoulli_distribution is_write(load.of[kDiskWrite].operations_per_second / load.operations_per_second());
    double now = 0;
    for (int i = 0; i < count; ++i) {
      now += gap(random);
      const size_t direction = is_write(random) ? kDiskWrite : kDiskRead;
      const double mean = Service(direction, load.of[direction].mean_bytes());
      const double service = mean * (steady_share + (1 - steady_share) * vary(random));
      double& server = *std::min_element(free_at.begin(), free_at.end());
      server = std::max(server, now) + service;
      latencies[direction].push_back(server - now);
    }
    return latencies;
  }
};

inline double MeanOf(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

inline double P99Of(std::vector<double> values) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(values.size() * 99 / 100);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

inline DeviceLoad LoadOf(double reads, double read_bytes, double writes, double write_bytes) {
  DeviceLoad load;
  load.of[kDiskRead] = {reads, reads * read_bytes};
  load.of[kDiskWrite] = {writes, writes * write_bytes};
  return load;
}

// The load of that mix and those sizes at which the disk is used so much.
inline DeviceLoad LoadAt(const QueueingDisk& disk, double read_share, double bytes, double utilisation) {
  const DeviceLoad one = LoadOf(read_share, bytes, 1 - read_share, bytes);
  return one.Times(utilisation / disk.Utilisation(one));
}

inline MeasuredPoint Measure(const QueueingDisk& disk, Pacing pacing, const DeviceLoad& load, std::mt19937_64& random) {
  MeasuredPoint point{.pacing = pacing, .load = load};
  if (pacing == Pacing::kSaturated) return point;
  const auto latencies = disk.Run(load, 20'000, random);
  for (const size_t direction : kDiskDirections) {
    if (latencies[direction].size() < 100) continue;
    point.mean_seconds[direction] = MeanOf(latencies[direction]);
    point.p99_seconds[direction] = P99Of(latencies[direction]);
  }
  return point;
}

// What truce-lab storage measures, of such a disk.
inline std::vector<MeasuredPoint> MeasureGrid(const QueueingDisk& disk, std::mt19937_64& random) {
  std::vector<MeasuredPoint> points;
  for (const double read_share : {0.0, 0.5, 1.0}) {
    for (const double bytes : {4096.0, 65536.0}) {
      if (read_share != 0.5) {
        points.push_back(Measure(disk, Pacing::kAlone, LoadAt(disk, read_share, bytes, 0.001), random));
      }
      points.push_back(Measure(disk, Pacing::kSaturated, LoadAt(disk, read_share, bytes, 1), random));
      for (const double utilisation : {0.4, 0.7, 0.85, 0.93}) {
        points.push_back(Measure(disk, Pacing::kOpen, LoadAt(disk, read_share, bytes, utilisation), random));
      }
    }
  }
  return points;
}

// One interval of watching it.
inline DeviceObservation Watch(const QueueingDisk& disk, const DeviceLoad& load, std::mt19937_64& random) {
  DeviceObservation seen{.load = load};
  const auto latencies = disk.Run(load, 2'000, random);
  double in_flight = 0;
  for (const size_t direction : kDiskDirections) {
    seen.operations[direction] = static_cast<double>(latencies[direction].size());
    if (latencies[direction].empty()) continue;
    seen.mean_seconds[direction] = MeanOf(latencies[direction]);
    in_flight += load.of[direction].operations_per_second * seen.mean_seconds[direction];
  }
  // Busy at least as long as one server would be if all operations came one after the other.
  seen.in_flight_while_busy = in_flight / (1 - std::exp(-in_flight));
  return seen;
}

}  // namespace truce
