#include "src/host/counters_governor.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace truce::host {
namespace {

// The longest duty at which both budgets hold.
double AffordableDuty(const GovernorInputs& inputs, const LevelCost& level) {
  const double host = CountingShare(inputs.switches_per_second, level.switch_cost, inputs.cpus);
  const double busiest = BusiestCpuShare(inputs.busiest_cpu_switches_per_second, level.switch_cost, inputs.base_cost);
  double duty = 1;
  if (host > 0) duty = std::min(duty, inputs.budget_ratio / host);
  if (busiest > 0) duty = std::min(duty, kBusiestCpuFactor * inputs.budget_ratio / busiest);
  return duty;
}

// How many workloads fit the descriptors and the agent's own time.
int Capacity(const GovernorInputs& inputs, const LevelCost& level) {
  const int per_workload = std::max(1, level.events * inputs.cpus);
  double capacity = std::min(inputs.max_counted, inputs.max_descriptors / per_workload);
  const double cost = inputs.reading_cost_cores * inputs.cpus;
  // One at a time is always allowed: on a host of very many CPUs that is all that there is.
  if (cost > 0) capacity = std::min(capacity, std::max(1.0, std::floor(kReadingBudgetCores / cost)));
  return std::clamp(static_cast<int>(capacity), 0, std::max(0, inputs.tracked));
}

}  // namespace

double MinimumDuty(CounterLevel level) {
  switch (level) {
    case CounterLevel::kFull:
      return 0.1;
    case CounterLevel::kSmall:
      return 0.05;
    case CounterLevel::kSoftware:
      return 0.02;
    case CounterLevel::kOff:
      return 0;
  }
  return 0;
}

double CountingShare(double switches_per_second, absl::Duration switch_cost, double cpus) {
  const double load = std::max(0.0, switches_per_second) * absl::ToDoubleSeconds(switch_cost) / std::max(1.0, cpus);
  return load <= 0 ? 0 : load / (1 + load);
}

double BusiestCpuShare(double switches_per_second, absl::Duration switch_cost, absl::Duration base_cost) {
  const double of_cpu = CountingShare(switches_per_second, switch_cost, 1);
  if (base_cost <= absl::ZeroDuration() || switch_cost <= absl::ZeroDuration()) return of_cpu;
  const double switching = switches_per_second * absl::ToDoubleSeconds(base_cost);
  const double storm = std::clamp((switching - kBriskRatio) / (kStormRatio - kBriskRatio), 0.0, 1.0);
  return std::max(of_cpu, storm * absl::FDivDuration(switch_cost, switch_cost + base_cost));
}

double UndisturbedFactor(double busiest_cpu_switches_per_second, absl::Duration switch_cost) {
  // A CPU can't spend more than all its time; what is above 95 % is an error of calibration.
  const double share = std::min(0.95, busiest_cpu_switches_per_second * absl::ToDoubleSeconds(switch_cost));
  return 1 / (1 - std::max(0.0, share));
}

GovernorDecision Decide(const GovernorInputs& inputs) {
  GovernorDecision decision;
  if (inputs.budget_ratio <= 0) return decision;
  bool dearer = inputs.current.has_value();
  for (const LevelCost& level : inputs.levels) {
    if (inputs.current.has_value() && level.level >= *inputs.current) dearer = false;
    const double duty = AffordableDuty(inputs, level);
    const double wanted = MinimumDuty(level.level) * (dearer ? kRaiseFactor : 1);
    const int counted = Capacity(inputs, level);
    if (duty < wanted || (counted == 0 && inputs.tracked > 0)) continue;
    if (dearer) {
      decision.dearer_affordable = true;
      if (!inputs.may_raise) continue;
    }
    decision.level = level.level;
    decision.duty_ratio = duty;
    decision.counted = counted;
    decision.switch_cost = level.switch_cost;
    decision.share_while_on = CountingShare(inputs.switches_per_second, level.switch_cost, inputs.cpus);
    return decision;
  }
  return decision;
}

bool DutyCycle::Next(double duty_ratio, absl::Duration elapsed) {
  const double seconds = absl::ToDoubleSeconds(elapsed);
  if (duty_ratio <= 0 || duty_ratio >= 1) {
    credit_seconds_ = 0;
    return on_ = duty_ratio >= 1;
  }
  credit_seconds_ += duty_ratio * seconds - (on_ ? seconds : 0);
  // Unused credit is worth one interval at most, so a quiet hour does not pay for a minute of storm.
  credit_seconds_ = std::min(credit_seconds_, 2 * seconds);
  // The tolerance keeps a duty of 1/n at n intervals when its sum is a hair below one.
  return on_ = credit_seconds_ >= seconds * (1 - 1e-9);
}

void CounterTurns::Remove(uint64_t key) {
  std::erase(counted_, key);
  std::erase(waiting_, key);
}

void CounterTurns::GiveBack(uint64_t key) {
  if (std::erase(counted_, key) > 0) waiting_.push_back(key);
}

CounterTurns::Change CounterTurns::Fit(int capacity) {
  Change change;
  const size_t places = static_cast<size_t>(std::max(0, capacity));
  while (counted_.size() > places) {
    change.out.push_back(counted_.front());
    waiting_.push_back(counted_.front());
    counted_.pop_front();
  }
  while (counted_.size() < places && !waiting_.empty()) {
    change.in.push_back(waiting_.front());
    counted_.push_back(waiting_.front());
    waiting_.pop_front();
  }
  return change;
}

CounterTurns::Change CounterTurns::Rotate(int capacity) {
  if (capacity <= 0 || waiting_.empty() || counted_.size() < static_cast<size_t>(capacity)) return Fit(capacity);
  const size_t share = (counted_.size() + kTurnIntervals - 1) / kTurnIntervals;
  const size_t leaving = std::min(share, waiting_.size());
  Change change;
  for (size_t i = 0; i < leaving; ++i) {
    change.out.push_back(counted_.front());
    waiting_.push_back(counted_.front());
    counted_.pop_front();
  }
  Change filled = Fit(capacity);
  change.out.insert(change.out.end(), filled.out.begin(), filled.out.end());
  change.in = std::move(filled.in);
  return change;
}

}  // namespace truce::host
