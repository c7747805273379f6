// Hardware counters per workload, and the governor that keeps their cost within a budget. The agent's sampler is the
// caller; everything here runs on its thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "truce/v1/types.pb.h"

namespace truce::host {

// What the governor lets the counters be, dearest first.
enum class CounterLevel : uint8_t {
  kFull,      // cycles, instructions, LLC references and misses, DRAM fills where the CPU has them
  kSmall,     // cycles and instructions
  kSoftware,  // kernel software events: context switches (no PMU needed)
  kOff,
};
std::string_view CounterLevelName(CounterLevel level);

// What one workload's counters said since the last read, already scaled for multiplexing. A field is missing when its
// event is not counted at this level, not supported, or never ran (time_running == 0).
struct CounterReadings {
  std::optional<double> instructions;
  std::optional<double> cycles;
  std::optional<double> llc_references;
  std::optional<double> llc_misses;
  std::optional<double> dram_fill_bytes;
  std::optional<double> context_switches;
  // time_enabled / time_running over the interval: 1 when never multiplexed.
  std::optional<double> scale_factor;
  // How long the group was enabled in the interval; rates divide by this and not by the interval.
  absl::Duration enabled;
};

struct CounterOptions {
  // Where /proc and /sys are.
  std::string procfs = "/proc";
  std::string sysfs = "/sys";
  // False turns all counters off.
  bool enabled = true;
  // Share of the host's CPU time that counting may cost other programs.
  double budget_ratio = 0.005;
  // Most workloads counted at once (each costs one fd per event and CPU); the others take turns.
  int max_counted = 256;
  // Where calibration may make two cgroups of its own, as a full path in the tree that perf events use; empty:
  // calibrate with per-task events instead.
  std::string calibration_directory;
};

// What the counters are doing, for metrics, reports and `trucectl describe host`.
struct CounterStatus {
  bool pmu_available = false;
  std::string pmu_model;
  std::vector<std::string> events;
  // Empty when pmu_available.
  std::string missing_reason;
  std::string missing_remedy;
  CounterLevel level = CounterLevel::kOff;
  double duty_ratio = 0;
  // Calibrated cost of one switch between counted cgroups at the current level.
  absl::Duration switch_cost;
  double switches_per_second = 0;
  // Estimated share of all CPU time that counting costs other programs.
  double overhead_ratio = 0;
  int counted_workloads = 0;
  int tracked_workloads = 0;
};

// Counts workloads. Created by the factory in src/host/counters/; tests inject a fake of PerfSyscalls below it.
class CounterService {
 public:
  virtual ~CounterService() = default;
  // Begins counting the cgroup behind `cgroup_fd` (a directory fd in the tree that perf events use; only used within
  // the call and duplicated). `key` is the caller's name for it.
  virtual absl::Status Track(uint64_t key, int cgroup_fd) = 0;
  virtual void Untrack(uint64_t key) = 0;
  // Once per sampling interval, before the reads: measures the switch rate, decides level, duty and whose turn it is.
  virtual void Govern(absl::Duration now) = 0;
  // What was counted since the last Read of this key; nullopt when it was not counted in the interval.
  virtual std::optional<CounterReadings> Read(uint64_t key) = 0;
  virtual CounterStatus status() const = 0;
};

// Opens what this host has. Never fails: a host without a PMU gets a service whose status says so and that counts
// software events if it can. Calibration takes about 200 ms and forks two children, so call it before other threads
// start.
std::unique_ptr<CounterService> CreateCounterService(const CounterOptions& options);

}  // namespace truce::host
