// The counter service: opens groups for the workloads whose turn it is, and starts and stops them as the governor says.
// CreateCounterService builds it on the kernel; tests build it on fakes.
#pragma once

#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "src/base/clock.h"
#include "src/host/counters.h"
#include "src/host/counters_calibration.h"
#include "src/host/counters_events.h"
#include "src/host/counters_governor.h"
#include "src/host/counters_group.h"
#include "src/host/counters_rates.h"
#include "src/host/file.h"

namespace truce::host {

// What was found about the host before the service starts.
struct CounterSetup {
  // CPUs that are online.
  std::vector<int> cpus;
  PmuProbe probe;
  // One per probe.levels, in the same order.
  std::vector<LevelCost> costs;
  // File descriptors that counters may hold.
  int max_descriptors = 512;
};

// Readings of one interval from what a level's groups counted on all CPUs. A reading whose event did not run is missing.
CounterReadings ToReadings(const ScaledSum& sum, const LevelEvents& level, absl::Duration enabled);

// Not thread-safe. Nothing is counted before the second Govern, since a rate takes two looks.
class GovernedCounters final : public CounterService {
 public:
  // `syscalls` is owned; `clock` must outlive this.
  GovernedCounters(const CounterOptions& options, CounterSetup setup, std::unique_ptr<PerfSyscalls> syscalls,
                   const Clock* clock);
  ~GovernedCounters() override = default;

  // AlreadyExists for a key that is tracked; what the kernel said when the cgroup is gone or not of the tree that perf
  // events use.
  absl::Status Track(uint64_t key, int cgroup_fd) override;
  void Untrack(uint64_t key) override;
  void Govern(absl::Duration now) override;
  std::optional<CounterReadings> Read(uint64_t key) override;
  CounterStatus status() const override;

  // CPU time that the service itself has spent since it was made.
  absl::Duration own_time() const { return own_time_; }
  // The limit in force: CounterOptions.max_counted, or less since file descriptors ran out.
  int max_counted() const { return max_counted_; }
  // Whether counters run in the interval that follows the last Govern.
  bool counting() const { return duty_.on(); }

 private:
  struct Workload {
    UniqueFd cgroup;
    // The open groups, one per CPU, what each had counted at the last look, and the level they belong to.
    std::vector<PerfGroup> groups;
    std::vector<GroupCounts> last;
    const LevelEvents* level = nullptr;
    bool running = false;
    absl::Duration running_since;
    uint64_t started_in_round = 0;
    // Counted since the last Read, in groups that are still open.
    ScaledSum sum;
    absl::Duration enabled;
    // Counted since the last Read, in groups that were closed.
    std::optional<CounterReadings> closed;
  };

  const LevelEvents* FindLevel(CounterLevel level) const;
  void MeasureRates(absl::Duration now);
  void Account(absl::Duration elapsed);
  void Choose(absl::Duration now);
  void ApplyTurns();
  void ApplyDuty();
  bool OpenGroups(uint64_t key, Workload& workload);
  void CloseGroups(Workload& workload);
  void OutOfDescriptors(const absl::Status& status);
  void Start(Workload& workload);
  void Stop(Workload& workload);
  void Harvest(Workload& workload);
  int CountingNow() const;

  CounterSetup setup_;
  std::unique_ptr<PerfSyscalls> syscalls_;
  const Clock* clock_;
  SwitchMeter meter_;
  double budget_ratio_;
  int max_counted_;

  std::unordered_map<uint64_t, Workload> workloads_;
  CounterTurns turns_;
  DutyCycle duty_;
  std::optional<GovernorDecision> decision_;
  std::optional<absl::Duration> dearer_since_;
  std::optional<absl::Duration> last_govern_;
  uint64_t round_ = 0;

  std::optional<SwitchRates> seen_;         // in the last interval, with whatever counting did to it
  std::optional<SwitchRates> undisturbed_;  // smoothed, and as it would be without counters
  std::optional<double> overhead_ratio_;
  absl::Duration own_time_;
  absl::Duration own_time_at_govern_;
  // Starting, stopping and reading: time and groups of the current interval, and the smoothed cost of one group.
  absl::Duration reading_time_;
  int64_t groups_read_ = 0;
  double reading_seconds_per_group_ = 4e-6;
};

}  // namespace truce::host
