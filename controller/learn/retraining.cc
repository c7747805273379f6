#include "controller/learn/retraining.h"

#include <utility>

namespace truce::controller {

Retraining::Retraining(const std::optional<RetrainingOptions>& options, absl::Duration now)
    : enabled_(options.has_value()),
      history_(options.value_or(RetrainingOptions{}).history),
      schedule_(options.value_or(RetrainingOptions{}).schedule, now),
      step_(options.value_or(RetrainingOptions{}).history.step),
      retrainer_(options.value_or(RetrainingOptions{}).retrainer) {}

void Retraining::Restore(const v1::DemandBlock& block, absl::Time now) {
  if (enabled_) history_.Restore(block, now);
}

void Retraining::Observe(const HostState& host, Moment now) {
  if (enabled_) history_.Observe(host, now);
}

std::vector<v1::DemandBlock> Retraining::TakeBlocks() {
  return history_.TakeBlocks(kBlocksAtOnce);
}

std::optional<RetrainingNews> Retraining::Follow(absl::Duration now) {
  if (!enabled_) return std::nullopt;
  if (auto outcome = retrainer_.TakeOutcome()) {
    if (outcome->challenger) challenger_ = std::move(outcome->challenger);
    return schedule_.OnOutcome(*outcome, now);
  }
  const absl::Duration span = step_ * static_cast<int64_t>(history_.span_steps());
  if (schedule_.Due(now, history_.values(), span) && retrainer_.Start(champion_, history_.Snapshot())) {
    schedule_.OnStarted(now);
  }
  return std::nullopt;
}

std::optional<Challenger> Retraining::TakeChallenger() {
  return std::exchange(challenger_, std::nullopt);
}

void Retraining::OnErrorRose(absl::Duration now) {
  schedule_.OnErrorRose(now);
}

}  // namespace truce::controller
