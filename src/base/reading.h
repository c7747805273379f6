// The readings of a workload: what the agent knows of it for one interval. A reading is there or missing, never a
// made-up zero. Names and units are those of the fields of truce.v1.Readings (a test holds the two together).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/time/time.h"

namespace truce {

enum class Reading : uint8_t {
  kCpuUsageCores,
  kCpuSystemRatio,
  kCpuThrottledRatio,
  kCpuQuotaCores,
  kCpuAllowedCount,
  kRunQueueWaitRatio,
  kContextSwitchesPerSecond,
  kPsiCpuSomeRatio,
  kPsiMemorySomeRatio,
  kPsiMemoryFullRatio,
  kPsiIoSomeRatio,
  kPsiIoFullRatio,
  kMemoryUsageBytes,
  kMemoryWorkingSetBytes,
  kMemoryLimitBytes,
  kPageFaultsPerSecond,
  kMajorFaultsPerSecond,
  kDiskReadBytesPerSecond,
  kDiskWriteBytesPerSecond,
  kDiskReadOperationsPerSecond,
  kDiskWriteOperationsPerSecond,
  kDiskLatencySeconds,
  kNetworkReceiveBytesPerSecond,
  kNetworkTransmitBytesPerSecond,
  kTaskCount,
  kInstructionsPerSecond,
  kCyclesPerSecond,
  kCyclesPerInstruction,
  kLlcMissesPerKiloInstruction,
  kLlcReferencesPerKiloInstruction,
  kDramFillBytesPerSecond,
  kCounterScaleFactor,
  kHostStealRatio,
  kHostCpuBusyRatio,
};
inline constexpr size_t kReadingCount = static_cast<size_t>(Reading::kHostCpuBusyRatio) + 1;
static_assert(kReadingCount <= 64, "the validity mask has 64 bits");

// The reading's name, as on the wire: "cpu_usage_cores".
std::string_view ReadingName(Reading reading);

// One workload's readings over one interval. Values are floats: 24 bits are more than any of these signals carries, and
// windows of samples are the agent's largest data.
class Sample {
 public:
  // When the interval ended (Clock::Monotonic) and how long it was.
  absl::Duration taken_at;
  absl::Duration interval;

  // Whether the workload was held back by an action of ours in this interval: what it did then says nothing about what
  // it does to others when it is free.
  bool under_action = false;

  bool has(Reading reading) const { return (valid_ >> Index(reading)) & 1u; }
  // The value; only meaningful when has(reading).
  double value(Reading reading) const { return values_[Index(reading)]; }
  std::optional<double> get(Reading reading) const {
    if (!has(reading)) return std::nullopt;
    return values_[Index(reading)];
  }
  double value_or(Reading reading, double fallback) const { return has(reading) ? value(reading) : fallback; }
  void set(Reading reading, double value) {
    values_[Index(reading)] = static_cast<float>(value);
    valid_ |= uint64_t{1} << Index(reading);
  }
  void set(Reading reading, std::optional<double> value) {
    if (value.has_value()) set(reading, *value);
  }
  uint64_t validity() const { return valid_; }

 private:
  static size_t Index(Reading reading) { return static_cast<size_t>(reading); }
  std::array<float, kReadingCount> values_{};
  uint64_t valid_ = 0;
};

}  // namespace truce
