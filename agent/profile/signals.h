// What a victim's pain looks like in readings. Each signal is a stretch: time lost per unit of work, so that growth
// over the baseline is an estimate of the slowdown.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "src/base/reading.h"
#include "truce/v1/types.pb.h"

namespace truce::agent {

enum class Signal : uint8_t {
  // Waiting for a CPU, seconds per second of CPU time used.
  kCpuWait,
  // Cycles per instruction: caches and memory bandwidth.
  kCyclesPerInstruction,
  // Time stalled on memory per second not stalled.
  kMemoryStall,
  // Time stalled on block I/O per second not stalled.
  kDiskStall,
};
inline constexpr size_t kSignalCount = 4;
inline constexpr std::array<Signal, kSignalCount> kSignals = {Signal::kCpuWait, Signal::kCyclesPerInstruction,
                                                              Signal::kMemoryStall, Signal::kDiskStall};

// "cpu_wait", "cycles_per_instruction", "memory_stall", "disk_stall".
std::string_view SignalName(Signal signal);
// What it says to a person: "time spent waiting for a CPU per second of CPU time".
std::string_view SignalMeaning(Signal signal);
// The resource whose contention shows in it.
v1::Resource SignalResource(Signal signal);
// Smallest spread that its baseline admits, in its own unit.
double SignalFloor(Signal signal);
// Its value in a sample; missing when a reading it needs is.
std::optional<double> SignalValue(Signal signal, const Sample& sample);
// Estimated slowdown, as a fraction, when the signal rises from `baseline` to `observed`; 0 when it fell.
double SlowdownOf(Signal signal, double baseline, double observed);
// The readings by which a suspect is measured for this signal, best first: the first that the suspect has counts.
const std::vector<Reading>& UsageReadings(Signal signal);

}  // namespace truce::agent
