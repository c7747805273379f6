// The PMU governor: decides how much may be counted, and when, so that counting costs other programs no more than the
// budget. The decisions here are pure; the counter service (counters_service.h) carries them out.
//
// A switch between cgroups costs `switch_cost` more while counters are on. With S switches a second, counting takes the
// share x / (1 + x) of the CPU time, x = S * switch_cost / CPUs: the form for programs that switch as fast as they can,
// and an upper bound for all others. Two budgets hold: the host's as a whole, and kBusiestCpuFactor times that on the
// CPU that switches most, since a storm lives on few CPUs and must not pay for a host of many. There, a program that
// does nothing but switch is slowed by switch_cost / (switch_cost + base cost) however small its part of the CPU is, so
// that counts in full once the CPU spends kStormRatio of its time on switching.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "src/host/counters.h"

namespace truce::host {

// How much more than the budget counting may take of the busiest CPU
// (1 % less a margin for the error of calibration, at the default budget).
inline constexpr double kBusiestCpuFactor = 1.3;
// Share of a CPU's time spent on switching itself at which there may be, and at which there is, a storm.
inline constexpr double kBriskRatio = 0.05;
inline constexpr double kStormRatio = 0.2;
// CPU time per second that the agent may spend on reading and switching counters itself, in cores.
inline constexpr double kReadingBudgetCores = 0.003;
// Intervals that a workload stays counted once its turn comes (opening costs more than reading does).
inline constexpr int kTurnIntervals = 5;
// Below this duty, groups are closed while they are off: the kernel does work at every switch for events that are only
// open (2 % of a switch, measured on a 2-vCPU VM with Linux 6.18), and that would be more than the counting itself.
inline constexpr double kKeepOpenDuty = 0.25;
// A dearer level must be affordable by this factor, and for kRaiseAfter, before the governor goes back to it.
inline constexpr double kRaiseFactor = 1.5;
inline constexpr absl::Duration kRaiseAfter = absl::Seconds(10);

// What one level costs, as calibrated.
struct LevelCost {
  CounterLevel level = CounterLevel::kOff;
  int events = 0;
  absl::Duration switch_cost;
};

// Least duty at which a level is worth having: below it, its readings are too rare to be of use, and while it is on it
// slows a storm too much (by budget / duty), so a cheaper level is better.
double MinimumDuty(CounterLevel level);

// Share of the CPU time that counting takes while it is on, 0 to 1. `switches_per_second` without counters.
double CountingShare(double switches_per_second, absl::Duration switch_cost, double cpus);
// The rate that programs would switch at without counters, from one seen on a CPU while they were on.
double UndisturbedFactor(double busiest_cpu_switches_per_second, absl::Duration switch_cost);

// Largest share that counting takes of the busiest CPU, or of a program on it that does nothing but switch.
double BusiestCpuShare(double switches_per_second, absl::Duration switch_cost, absl::Duration base_cost);

struct GovernorInputs {
  // Dearest first; those that the host can count.
  absl::Span<const LevelCost> levels;
  // Without counters; of the host, and of the CPU that switches most.
  double switches_per_second = 0;
  double busiest_cpu_switches_per_second = 0;
  int cpus = 1;
  double budget_ratio = 0;
  // A switch without counters.
  absl::Duration base_cost;
  int tracked = 0;
  int max_counted = 0;
  // File descriptors that counters may hold.
  int max_descriptors = 0;
  // What the agent itself pays per second for one counted workload on one CPU while counting is on, in cores.
  double reading_cost_cores = 0;
  // The level in force; nullopt at first.
  std::optional<CounterLevel> current;
  // Whether a dearer level has been affordable for kRaiseAfter.
  bool may_raise = true;
};

struct GovernorDecision {
  CounterLevel level = CounterLevel::kOff;
  // Share of the time in which the level is on.
  double duty_ratio = 0;
  // How many workloads are counted at a time.
  int counted = 0;
  // The calibrated cost of the level, and the share of the host's CPU time that it takes while on.
  absl::Duration switch_cost;
  double share_while_on = 0;
  // Whether a level dearer than `level` is affordable by kRaiseFactor, so that may_raise is worth timing.
  bool dearer_affordable = false;
};
GovernorDecision Decide(const GovernorInputs& inputs);

// Turns a duty into on and off intervals whose average is the duty, whatever the intervals' lengths are.
class DutyCycle {
 public:
  // Whether the next interval is on. `elapsed` is the length of the last one, > 0.
  bool Next(double duty_ratio, absl::Duration elapsed);
  bool on() const { return on_; }

 private:
  bool on_ = false;
  double credit_seconds_ = 0;
};

// Whose turn it is to be counted: first come, first served, then round and round. Every key waits at most
// ceil(tracked / counted) turns.
class CounterTurns {
 public:
  void Add(uint64_t key) { waiting_.push_back(key); }
  void Remove(uint64_t key);
  // The keys whose turn ends and begins so that `capacity` are counted. Once per interval that is on: when others wait,
  // a kTurnIntervals-th of the counted ones, at least one, gives way.
  struct Change {
    std::vector<uint64_t> out;
    std::vector<uint64_t> in;
  };
  Change Rotate(int capacity);
  // Only fills free places and takes away surplus ones.
  Change Fit(int capacity);
  const std::deque<uint64_t>& counted() const { return counted_; }
  // Sends a counted key to the end of the queue.
  void GiveBack(uint64_t key);

 private:
  std::deque<uint64_t> counted_;  // the longest counted first
  std::deque<uint64_t> waiting_;  // the longest waiting first
};

}  // namespace truce::host
