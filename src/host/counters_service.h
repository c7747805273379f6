// The counter service: opens groups for the workloads whose turn it is, and starts and stops them as the governor says.
// CreateCounterService builds it on the kernel; tests build it on fakes.
#pragma once

#include <memory>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "src/base/clock.h"
#include "src/host/counters.h"
#include "src/host/counters_calibration.h"
#include "src/host/counters_events.h"
#include "src/host/counters_governor.h"
#include "src/host/counters_rates.h"
#include "src/host/counters_workload.h"

namespace truce::host {

// What was found about the host before the service starts.
struct CounterSetup {
  // CPUs that are online.
  std::vector<int> cpus;
  PmuProbe probe;
  // One per probe.levels, in the same order.
  std::vector<LevelCost> costs;
  // A switch without counters; zero when it was not measured.
  absl::Duration base_cost;
  // File descriptors that counters may hold.
  int max_descriptors = 512;
};

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
  const LevelEvents* FindLevel(CounterLevel level) const;
  void MeasureRates(absl::Duration now);
  void Account(absl::Duration elapsed);
  void Choose(absl::Duration now);
  void ApplyTurns();
  void ApplyDuty();
  bool OpenGroups(uint64_t key, CountedWorkload& workload);
  void CloseGroups(CountedWorkload& workload);
  void OutOfDescriptors(const absl::Status& status);
  // Whether groups stay open in the interval that follows.
  bool KeepOpen() const;
  int CountingNow() const;

  CounterSetup setup_;
  std::unique_ptr<PerfSyscalls> syscalls_;
  const Clock* clock_;
  SwitchMeter meter_;
  double budget_ratio_;
  int max_counted_;

  std::unordered_map<uint64_t, CountedWorkload> workloads_;
  // Those whose counters the last Govern started.
  std::unordered_set<uint64_t> just_started_;
  CounterTurns turns_;
  DutyCycle duty_;
  std::optional<GovernorDecision> decision_;
  std::optional<absl::Duration> dearer_since_;
  std::optional<absl::Duration> last_govern_;

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
