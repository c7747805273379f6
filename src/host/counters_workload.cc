#include "src/host/counters_workload.h"

#include <spdlog/spdlog.h>

#include <string>

namespace truce::host {

CounterReadings ToReadings(const ScaledSum& sum, const LevelEvents& level, absl::Duration enabled) {
  CounterReadings readings;
  readings.enabled = enabled;
  readings.scale_factor = sum.ScaleFactor();
  for (size_t i = 0; i < level.events.size(); ++i) {
    std::optional<double> value = sum.Scaled(i);
    if (!value.has_value()) continue;
    *value *= level.events[i].unit;
    switch (level.events[i].role) {
      case CounterRole::kCycles:
        readings.cycles = value;
        break;
      case CounterRole::kInstructions:
        readings.instructions = value;
        break;
      case CounterRole::kLlcReferences:
        readings.llc_references = value;
        break;
      case CounterRole::kLlcMisses:
        readings.llc_misses = value;
        break;
      case CounterRole::kDramFills:
        readings.dram_fill_bytes = value;
        break;
      case CounterRole::kContextSwitches:
        readings.context_switches = value;
        break;
    }
  }
  return readings;
}

absl::Status CountedWorkload::Open(PerfSyscalls* syscalls, const LevelEvents& level, absl::Span<const int> cpus) {
  const std::vector<PerfEvent> events = EventsOf(level);
  absl::Status offline = absl::NotFoundError("no CPU is online");
  for (const int cpu : cpus) {
    absl::StatusOr<PerfGroup> group =
        PerfGroup::Open(syscalls, events, {PerfTarget::Kind::kCgroup, cgroup_.get()}, cpu);
    if (group.ok()) {
      groups_.push_back(*std::move(group));
      continue;
    }
    if (absl::IsNotFound(group.status())) {  // the CPU went offline
      offline = group.status();
      continue;
    }
    groups_.clear();
    return group.status();
  }
  if (groups_.empty()) return offline;
  level_ = &level;
  last_.assign(groups_.size(), GroupCounts{});
  for (GroupCounts& counts : last_) counts.size = events.size();
  return absl::OkStatus();
}

void CountedWorkload::Close(absl::Duration now) {
  if (groups_.empty()) return;
  Stop(now);
  if (enabled_ > absl::ZeroDuration()) closed_ = ToReadings(sum_, *level_, enabled_);
  sum_ = ScaledSum();
  enabled_ = absl::ZeroDuration();
  groups_.clear();
  last_.clear();
  level_ = nullptr;
}

void CountedWorkload::Start(absl::Duration now) {
  if (groups_.empty() || running()) return;
  SetEnabled(true);
  running_since_ = now;
}

void CountedWorkload::Stop(absl::Duration now) {
  if (!running()) return;
  SetEnabled(false);
  Harvest(now);
  running_since_.reset();
}

void CountedWorkload::SetEnabled(bool enabled) {
  for (PerfGroup& group : groups_) {
    const absl::Status status = group.SetEnabled(enabled);
    if (!status.ok()) spdlog::debug("{}", std::string(status.message()));
  }
}

void CountedWorkload::Harvest(absl::Duration now) {
  if (!running()) return;
  enabled_ += now - *running_since_;
  running_since_ = now;
  for (size_t i = 0; i < groups_.size(); ++i) {
    const absl::StatusOr<GroupCounts> counts = groups_[i].Read();
    const absl::StatusOr<GroupCounts> delta = counts.ok() ? SubtractCounts(*counts, last_[i]) : counts.status();
    if (counts.ok()) last_[i] = *counts;
    if (delta.ok()) {
      sum_.Add(*delta);
    } else {
      spdlog::debug("a counter group gave no reading: {}", std::string(delta.status().message()));
    }
  }
}

std::optional<CounterReadings> CountedWorkload::Take() {
  std::optional<CounterReadings> readings = std::exchange(closed_, std::nullopt);
  if (enabled_ > absl::ZeroDuration()) {
    readings = ToReadings(sum_, *level_, enabled_);
    sum_ = ScaledSum();
    enabled_ = absl::ZeroDuration();
  }
  return readings;
}

}  // namespace truce::host
