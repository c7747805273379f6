// One workload as the counter service counts it: its cgroup, the groups that are open on it, and what they have counted
// since it was last asked. Used by counters_service.h alone.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "src/host/counters.h"
#include "src/host/counters_events.h"
#include "src/host/counters_group.h"
#include "src/host/file.h"

namespace truce::host {

// Readings of one interval from what a level's groups counted on all CPUs. A reading whose event did not run is
// missing.
CounterReadings ToReadings(const ScaledSum& sum, const LevelEvents& level, absl::Duration enabled);

// Not thread-safe. Times are the clock's, at the call.
class CountedWorkload {
 public:
  explicit CountedWorkload(UniqueFd cgroup) : cgroup_(std::move(cgroup)) {}

  // Opens the groups of `level`, stopped, on every CPU that is online. Nothing is open after an error:
  // ResourceExhausted when descriptors ran out, NotFound when it can be counted on no CPU. `syscalls` and `level` must
  // outlive the groups.
  absl::Status Open(PerfSyscalls* syscalls, const LevelEvents& level, absl::Span<const int> cpus);
  // Closes them. What they counted stays for the next Take.
  void Close(absl::Duration now);
  void Start(absl::Duration now);
  void Stop(absl::Duration now);
  // Looks at what running groups have counted so far.
  void Harvest(absl::Duration now);
  // What was counted between the last Take and the last Harvest, Stop or Close; nullopt when nothing ran.
  std::optional<CounterReadings> Take();

  bool open() const { return !groups_.empty(); }
  bool running() const { return running_since_.has_value(); }
  size_t groups() const { return groups_.size(); }
  int cgroup_fd() const { return cgroup_.get(); }

 private:
  void SetEnabled(bool enabled);

  UniqueFd cgroup_;
  // The open groups, one per CPU, what each had counted at the last look, and the level they belong to.
  std::vector<PerfGroup> groups_;
  std::vector<GroupCounts> last_;
  const LevelEvents* level_ = nullptr;
  std::optional<absl::Duration> running_since_;
  // Counted since the last Take, in groups that are still open.
  ScaledSum sum_;
  absl::Duration enabled_;
  // Counted since the last Take, in groups that were closed.
  std::optional<CounterReadings> closed_;
};

}  // namespace truce::host
