// What is asked of a disk, and what the kernel shows of how it answered. Pure values; whoever measures a disk or
// watches one makes them.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>

namespace truce {

// Index of the arrays that have reads and writes apart.
inline constexpr size_t kDiskRead = 0;
inline constexpr size_t kDiskWrite = 1;
inline constexpr std::array<size_t, 2> kDiskDirections = {kDiskRead, kDiskWrite};

struct DirectionLoad {
  double operations_per_second = 0;
  double bytes_per_second = 0;

  // Of an operation, in the mean; 0 when there are none.
  double mean_bytes() const { return operations_per_second > 0 ? bytes_per_second / operations_per_second : 0; }
};

// Rate, size and mix: an operating point of a disk.
struct DeviceLoad {
  std::array<DirectionLoad, 2> of{};

  double operations_per_second() const {
    return of[kDiskRead].operations_per_second + of[kDiskWrite].operations_per_second;
  }
  // The same mix and sizes, `factor` times as often.
  DeviceLoad Times(double factor) const {
    DeviceLoad load = *this;
    for (DirectionLoad& one : load.of) {
      one.operations_per_second *= factor;
      one.bytes_per_second *= factor;
    }
    return load;
  }
  // Finite, not negative, no bytes without operations.
  bool IsSound() const {
    for (const DirectionLoad& one : of) {
      if (!std::isfinite(one.operations_per_second) || !std::isfinite(one.bytes_per_second)) return false;
      if (one.operations_per_second < 0 || one.bytes_per_second < 0) return false;
      if (one.operations_per_second <= 0 && one.bytes_per_second > 0) return false;
    }
    return true;
  }
};

// One interval of a disk, as its counters tell it.
struct DeviceObservation {
  DeviceLoad load;
  // Mean time from the block layer's door to completion, and how many operations that is the mean of; none: no
  // operation.
  std::array<double, 2> mean_seconds{};
  std::array<double, 2> operations{};
  // Operations in flight, averaged over the time in which there was any.
  double in_flight_while_busy = 0;
};

}  // namespace truce
