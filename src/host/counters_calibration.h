// What a context switch between two counted cgroups costs on this host: two forked children on one CPU pass a byte back
// and forth, without and with counters. The counter service calibrates with it, truce-bench measures with it.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "src/host/counters_events.h"
#include "src/host/counters_governor.h"
#include "src/host/counters_syscalls.h"
#include "src/host/file.h"

namespace truce::host {

// Two children that pass a byte through pipes on one CPU: each pass is a context switch. They are killed and reaped
// when this goes, and die with the process that made them. Forks, so make it before other threads start. Not
// thread-safe.
class SwitchPair {
 public:
  static absl::StatusOr<std::unique_ptr<SwitchPair>> Start(int cpu);
  ~SwitchPair();
  SwitchPair(const SwitchPair&) = delete;
  SwitchPair& operator=(const SwitchPair&) = delete;

  pid_t first() const { return children_[0]; }
  pid_t second() const { return children_[1]; }
  // A moment of the run: CPU time of both children together, which other load on the CPU does not lengthen, and passes.
  struct Mark {
    absl::Duration cpu_time;
    uint64_t switches = 0;
  };
  absl::StatusOr<Mark> Now() const;
  // CPU time per switch over the next `window` (the caller sleeps through it). Unavailable when the children did not
  // get to run.
  absl::StatusOr<absl::Duration> MeasureFor(absl::Duration window) const;

 private:
  SwitchPair() = default;
  pid_t children_[2] = {-1, -1};
  // Written by the first child only, in memory that all three share.
  std::atomic<uint64_t>* rounds_ = nullptr;
};
// CPU time per switch between two marks of one pair.
absl::StatusOr<absl::Duration> CostBetween(const SwitchPair::Mark& begin, const SwitchPair::Mark& end);

// Two cgroups of our own, named for this process, below `directory` (a full path in the tree that perf events use).
// Removed when this goes; what a killed process left is removed by the next one that comes by.
class CgroupPair {
 public:
  static absl::StatusOr<std::unique_ptr<CgroupPair>> Create(const std::string& directory);
  ~CgroupPair();
  CgroupPair(const CgroupPair&) = delete;
  CgroupPair& operator=(const CgroupPair&) = delete;

  int first_fd() const { return fds_[0].get(); }
  int second_fd() const { return fds_[1].get(); }
  // Moves the children of `pair` in, one each.
  absl::Status Join(const SwitchPair& pair) const;

 private:
  CgroupPair() = default;
  std::string paths_[2];
  UniqueFd fds_[2];
};

// The CPU that calibrations use: the last one that this process may run on.
absl::StatusOr<int> CalibrationCpu();

// What was measured.
struct Calibration {
  // A switch without counters.
  absl::Duration base_cost;
  // What each level adds, in the order of the levels.
  std::vector<LevelCost> costs;
  // Whether it was done with cgroup events (else with per-task events).
  bool with_cgroups = false;
};
// Cost that is assumed when calibration is not possible: the dearest that was seen in a virtual machine, so that an
// uncalibrated host errs on the cheap side for others.
absl::Duration AssumedSwitchCost(CounterLevel level);
// What counting adds to a switch, from windows in turns without and with counters (as many of each, at least one). Load
// on the machine hides a part of it in either way to compare them, so it is the larger of the two: the smallest with
// less the smallest without, and the median of the differences; and at least 20 ns.
absl::Duration AddedCost(absl::Span<const absl::Duration> without, absl::Span<const absl::Duration> with);
// Measures all levels in turns, about 200 ms in all. `directory` as in CounterOptions.calibration_directory;
// with per-task events, which are cheaper than those of cgroups, costs are doubled and at least 300 ns.
absl::StatusOr<Calibration> Calibrate(PerfSyscalls* syscalls, absl::Span<const LevelEvents> levels,
                                      const std::string& directory);

}  // namespace truce::host
