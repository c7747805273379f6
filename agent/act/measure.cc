#include "agent/act/measure.h"

#include <algorithm>

namespace truce::agent {
namespace {

// However often the value changes, an action must have helped by then.
constexpr int kMostWindows = 3;

}  // namespace

Measurement::Measurement(absl::Duration now, std::optional<double> slowdown_before, std::optional<double> usage_before)
    : started_(now),
      slowdown_before_(slowdown_before),
      usage_before_(usage_before),
      observed_(now),
      window_start_(now) {}

void Measurement::Observe(absl::Duration now, std::optional<double> slowdown, std::optional<double> usage) {
  const double seconds = absl::ToDoubleSeconds(now - observed_);
  observed_ = now;
  if (seconds <= 0) return;
  if (slowdown) {
    slowdown_.Add(*slowdown, seconds);
    if (!judged_) window_.push_back({now, *slowdown, seconds});
  }
  if (!usage) return;
  usage_.Add(*usage, seconds);
  if (usage_before_) cost_core_seconds_ += std::max(0.0, *usage_before_ - *usage) * seconds;
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
  if (slowdown_.value()) receipt->set_victim_slowdown_after(*slowdown_.value());
  if (usage_before_) receipt->set_workload_usage_before_cores(*usage_before_);
  if (usage_.value()) receipt->set_workload_usage_after_cores(*usage_.value());
  if (usage_before_ && usage_.value()) receipt->set_cost_core_seconds(cost_core_seconds_);
}

}  // namespace truce::agent
