#include "agent/act/measure.h"

#include <algorithm>

namespace truce::agent {
namespace {

// However often the value changes, an action must have helped by then.
constexpr int kMostWindows = 3;

}  // namespace

void Measurement::Loss::Add(std::optional<double> value, double seconds) {
  if (!value) return;
  mean.Add(*value, seconds);
  if (before) lost += std::max(0.0, *before - *value) * seconds;
}

std::optional<double> Measurement::Loss::ratio() const {
  if (!known() || *before <= 0) return std::nullopt;
  return lost / (*before * mean.seconds);
}

Measurement::Measurement(absl::Duration now, absl::Duration verdict_age, const VictimSlowdown& victim,
                         const WorkloadUse& before)
    : started_(now),
      verdict_age_(verdict_age),
      slowdown_told_(victim.ratio),
      slowdown_before_(victim.since_onset),
      observed_(now),
      window_start_(now),
      cores_{.before = before.cores},
      memory_{.before = before.memory_bytes},
      bytes_{.before = before.bytes_per_second},
      instructions_{.before = before.instructions_per_second} {}

void Measurement::Observe(absl::Duration now, std::optional<double> slowdown, const WorkloadUse& use) {
  const double seconds = absl::ToDoubleSeconds(now - observed_);
  observed_ = now;
  if (seconds <= 0) return;
  if (slowdown) {
    if (now - started_ > verdict_age_) slowdown_.Add(*slowdown, seconds);
    if (!judged_) window_.push_back({now, *slowdown, seconds});
  }
  cores_.Add(use.cores, seconds);
  memory_.Add(use.memory_bytes, seconds);
  bytes_.Add(use.bytes_per_second, seconds);
  instructions_.Add(use.instructions_per_second, seconds);
}

void Measurement::ValueChanged(absl::Duration now) {
  if (!judged_) window_start_ = now;
}

Measurement::Help Measurement::Judge(absl::Duration now, absl::Duration window, double ratio) {
  const absl::Duration due = std::min(window_start_ + window, started_ + kMostWindows * window);
  if (judged_ || now < due) return Help::kNotDue;
  judged_ = true;
  Mean late;
  for (const Seen& seen : window_) {
    if (seen.at > due - window / 2) late.Add(seen.slowdown, seen.seconds);
  }
  window_.clear();
  if (!slowdown_before_ || *slowdown_before_ <= 0 || !late.value()) return Help::kNotKnown;
  return *late.value() <= *slowdown_before_ * (1 - ratio) ? Help::kHelped : Help::kDidNot;
}

void Measurement::FillReceipt(v1::Receipt* receipt) const {
  if (slowdown_before_) receipt->set_victim_slowdown_before(*slowdown_before_);
  if (slowdown_before_ && slowdown_told_ && *slowdown_told_ > 0) {
    v1::LeasedAction& action = *receipt->mutable_action();
    action.set_expected_recovery(action.expected_recovery() * *slowdown_before_ / *slowdown_told_);
  }
  if (slowdown_.value()) receipt->set_victim_slowdown_after(*slowdown_.value());
  if (cores_.before) receipt->set_workload_usage_before_cores(*cores_.before);
  if (cores_.mean.value()) receipt->set_workload_usage_after_cores(*cores_.mean.value());
  // What follows the need takes nothing: use goes up and down by itself.
  if (receipt->action().has_follow()) return;
  if (cores_.known()) receipt->set_cost_core_seconds(cores_.lost);
  const v1::Lever lever = receipt->action().lever();
  const bool bounds_bytes = lever == v1::LEVER_DISK_CAP || lever == v1::LEVER_NETWORK_CAP;
  if (lever == v1::LEVER_MEMORY_SQUEEZE && memory_.known()) receipt->set_cost_byte_seconds(memory_.lost);
  if (bounds_bytes && bytes_.known()) receipt->set_cost_bytes(bytes_.lost);
  const Loss& work = bounds_bytes ? bytes_ : lever == v1::LEVER_CACHE_CLASS ? instructions_ : cores_;
  if (const auto loss = work.ratio()) receipt->set_workload_loss_ratio(*loss);
}

}  // namespace truce::agent
