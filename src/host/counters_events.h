// Which events Truce counts on which CPU model, and which of them this host lets it open. Called once, when the counter
// service is created.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "src/host/counters.h"
#include "src/host/counters_group.h"
#include "src/host/counters_syscalls.h"

namespace truce::host {

// What an event tells of a workload: one field of CounterReadings.
enum class CounterRole : uint8_t { kCycles, kInstructions, kLlcReferences, kLlcMisses, kDramFills, kContextSwitches };

// One event of a level. A count times `unit` is the reading: 64 bytes for a cache line, else 1.
struct CounterEvent {
  CounterRole role = CounterRole::kCycles;
  PerfEvent event;
  double unit = 1;
};

// The group that a level counts, and its events alone as the syscalls want them.
struct LevelEvents {
  CounterLevel level = CounterLevel::kOff;
  std::vector<CounterEvent> events;
};
std::vector<PerfEvent> EventsOf(const LevelEvents& level);

// Events that a CPU model has beyond the generic ones, by their libpfm4 names. Null: the generic event, or none.
struct CpuModelEvents {
  const char* pmu;             // libpfm4's name of the model
  const char* llc_references;  // lines that the core asked of the last-level cache
  const char* llc_misses;      // of those, lines that it did not have
  const char* dram_fills;      // lines filled from DRAM, local and remote
};
// The whole table, for its test.
absl::Span<const CpuModelEvents> CpuModelTable();
// The row of a model, or null for a CPU that is not in the table: generic events then.
const CpuModelEvents* FindCpuModel(std::string_view pmu);

// Turns a libpfm4 event name ("perf::CYCLES", "skx::LONGEST_LAT_CACHE:MISS") into what the kernel wants; counts user
// and kernel mode, guests included. NotFound when libpfm4 does not know it on this CPU.
absl::StatusOr<PerfEvent> EncodeEvent(std::string_view name);
using EventEncoder = std::function<absl::StatusOr<PerfEvent>(std::string_view)>;
// libpfm4's name of this host's core PMU; empty when it does not know the CPU.
std::string DetectCpuModel();

// Why perf_event_open failed, for an operator.
struct PerfFailure {
  std::string reason;
  std::string remedy;
};
// `error` is an errno value; `paranoid` is kernel.perf_event_paranoid (2 when it can't be read).
PerfFailure ExplainPerfFailure(int error, int paranoid);

// What this host can count.
struct PmuProbe {
  bool pmu_available = false;
  std::string model;
  // Dearest first; empty when nothing can be opened.
  std::vector<LevelEvents> levels;
  // Names of the wanted events that could not be opened, each with what the kernel said.
  std::vector<std::string> dropped;
  // Why there is no PMU; empty when there is.
  PerfFailure failure;
};

// Tries each event on `cpu` in the groups that it would be counted in, drops those that can't be opened one by one, and
// closes them all again.
PmuProbe ProbePmu(PerfSyscalls* syscalls, const EventEncoder& encode, std::string_view model, int cpu, int paranoid);

}  // namespace truce::host
