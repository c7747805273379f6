// What one report says of how a workload behaves, whatever its load, and of how much it demands: the numbers that
// baselines and drift are made of. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "src/base/reading.h"

namespace truce {

// Per instruction, per second of CPU used, or a share of time: twice the load at the same behaviour gives the same
// numbers. Waiting for a CPU is not among them: that is what neighbours do to a workload.
enum class Trait : uint8_t {
  kCyclesPerInstruction,
  kLlcMissesPerKiloInstruction,
  kLlcReferencesPerKiloInstruction,
  kDramFillBytesPerCpuSecond,
  kContextSwitchesPerCpuSecond,
  kPageFaultsPerCpuSecond,
  kCpuSystemRatio,
  kPsiMemorySomeRatio,
  kPsiIoSomeRatio,
  kDiskReadBytesPerCpuSecond,
  kDiskWriteBytesPerCpuSecond,
  kNetworkReceiveBytesPerCpuSecond,
  kNetworkTransmitBytesPerCpuSecond,
};
inline constexpr size_t kTraitCount = static_cast<size_t>(Trait::kNetworkTransmitBytesPerCpuSecond) + 1;

// "page_faults_per_cpu_second".
std::string_view TraitName(size_t trait);
// The trait's value, in the unit of its name, of a behaviour's number, and the other way.
double TraitValue(size_t trait, double number);
double TraitNumber(size_t trait, double value);

// Numbers are ln(value + unit), where the unit is the trait's least value that matters: their differences are relative
// changes, and nothing at all is a number too. Those that are missing are 0 and count for nothing.
struct Behaviour {
  std::array<double, kTraitCount> numbers{};
  std::array<bool, kTraitCount> there{};

  bool empty() const;
};

// Missing where a reading is missing or not finite; all of it below 0.02 cores.
Behaviour MakeBehaviour(const Sample& sample);

// What a workload asks of its host.
enum class Demand : uint8_t { kCpu, kMemory, kDisk, kNetwork };
inline constexpr size_t kDemandCount = static_cast<size_t>(Demand::kNetwork) + 1;
// "cpu_cores", "memory_bytes", "disk_bytes_per_second", "network_bytes_per_second".
std::string_view DemandName(size_t demand);
// Below this a demand is as good as none, and how many times as much it became says nothing.
double LeastDemand(size_t demand);

// In the units of DemandName: cores, working set (usage where there is none), bytes read and written, bytes received
// and sent.
using Demands = std::array<std::optional<double>, kDemandCount>;
Demands MakeDemands(const Sample& sample);

}  // namespace truce
