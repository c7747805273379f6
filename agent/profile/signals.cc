#include "agent/profile/signals.h"

#include <algorithm>
#include <vector>

namespace truce::agent {
namespace {

// Below this much CPU time a ratio to it is noise.
constexpr double kLeastCores = 0.02;
// A workload that is stalled all the time would have an infinite stretch.
constexpr double kMostStalled = 0.98;

std::optional<double> CpuWait(const Sample& sample) {
  // PSI's "some" is a lower bound of the sum of waits that schedstat gives: it counts a moment once however many
  // threads wait. It is read every tick, so it comes first.
  const auto wait = sample.has(Reading::kPsiCpuSomeRatio) ? sample.get(Reading::kPsiCpuSomeRatio)
                                                          : sample.get(Reading::kRunQueueWaitRatio);
  const auto usage = sample.get(Reading::kCpuUsageCores);
  if (!wait || !usage) return std::nullopt;
  if (*usage < kLeastCores) return *wait < kLeastCores ? std::nullopt : std::optional<double>(*wait / kLeastCores);
  return *wait / *usage;
}

std::optional<double> Stall(const Sample& sample, Reading reading) {
  const auto stalled = sample.get(reading);
  if (!stalled) return std::nullopt;
  const double bounded = std::clamp(*stalled, 0.0, kMostStalled);
  return bounded / (1 - bounded);
}

}  // namespace

std::string_view SignalName(Signal signal) {
  switch (signal) {
    case Signal::kCpuWait:
      return "cpu_wait";
    case Signal::kCyclesPerInstruction:
      return "cycles_per_instruction";
    case Signal::kMemoryStall:
      return "memory_stall";
    case Signal::kDiskStall:
      return "disk_stall";
  }
  return "";
}

std::string_view SignalMeaning(Signal signal) {
  switch (signal) {
    case Signal::kCpuWait:
      return "seconds spent waiting for a CPU per second of CPU time";
    case Signal::kCyclesPerInstruction:
      return "cycles per instruction";
    case Signal::kMemoryStall:
      return "seconds stalled on memory per second of progress";
    case Signal::kDiskStall:
      return "seconds stalled on block I/O per second of progress";
  }
  return "";
}

v1::Resource SignalResource(Signal signal) {
  switch (signal) {
    case Signal::kCpuWait:
      return v1::RESOURCE_CPU;
    case Signal::kCyclesPerInstruction:
      return v1::RESOURCE_LLC;
    case Signal::kMemoryStall:
      return v1::RESOURCE_MEMORY;
    case Signal::kDiskStall:
      return v1::RESOURCE_DISK;
  }
  return v1::RESOURCE_UNSPECIFIED;
}

double SignalFloor(Signal signal) {
  // A spread of 2 % of progress; for CPI, whose unit is not time, 5 % of an ordinary value of 1.
  return signal == Signal::kCyclesPerInstruction ? 0.05 : 0.02;
}

std::optional<double> SignalValue(Signal signal, const Sample& sample) {
  switch (signal) {
    case Signal::kCpuWait:
      return CpuWait(sample);
    case Signal::kCyclesPerInstruction:
      return sample.get(Reading::kCyclesPerInstruction);
    case Signal::kMemoryStall:
      return Stall(sample, Reading::kPsiMemorySomeRatio);
    case Signal::kDiskStall:
      return Stall(sample, Reading::kPsiIoSomeRatio);
  }
  return std::nullopt;
}

double SlowdownOf(Signal signal, double baseline, double observed) {
  // Work takes (time running + time lost); the ratio of the two sums is the slowdown.
  const double before = signal == Signal::kCyclesPerInstruction ? baseline : 1 + baseline;
  const double now = signal == Signal::kCyclesPerInstruction ? observed : 1 + observed;
  return before > 0 ? std::max(0.0, now / before - 1) : 0;
}

const std::vector<Reading>& UsageReadings(Signal signal) {
  static const std::vector<Reading> kCpu = {Reading::kCpuUsageCores};
  static const std::vector<Reading> kMemoryBandwidth = {Reading::kDramFillBytesPerSecond, Reading::kCpuUsageCores};
  static const std::vector<Reading> kMemory = {Reading::kPageFaultsPerSecond, Reading::kMemoryUsageBytes};
  static const std::vector<Reading> kDisk = {Reading::kDiskReadBytesPerSecond, Reading::kDiskWriteBytesPerSecond};
  switch (signal) {
    case Signal::kCpuWait:
      return kCpu;
    case Signal::kCyclesPerInstruction:
      return kMemoryBandwidth;
    case Signal::kMemoryStall:
      return kMemory;
    case Signal::kDiskStall:
      return kDisk;
  }
  return kCpu;
}

}  // namespace truce::agent
