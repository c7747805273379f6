#include "controller/learn/retraining_schedule.h"

#include <algorithm>

#include "src/base/text.h"

namespace truce::controller {

bool RetrainingSchedule::Due(absl::Duration now, size_t values, absl::Duration span) const {
  return state_ != State::kRunning && now >= next_ && values >= options_.least_values && span >= options_.least_history;
}

void RetrainingSchedule::OnStarted(absl::Duration now) {
  state_ = State::kRunning;
  started_ = now;
  next_ = now + options_.interval;
}

void RetrainingSchedule::OnErrorRose(absl::Duration now) {
  // What fails is not mended by more haste.
  if (failures_in_a_row_ > 0) return;
  next_ = std::min(next_, std::max(now, started_ + options_.least_gap));
}

std::optional<RetrainingNews> RetrainingSchedule::OnOutcome(const Retrainer::Outcome& outcome, absl::Duration now) {
  if (outcome.status.ok()) {
    state_ = State::kWaiting;
    failures_in_a_row_ = 0;
    last_failure_.clear();
    ++(outcome.verdict.promoted() ? promoted_ : kept_);
    return RetrainingNews{outcome.verdict.promoted() ? "model_retrained" : "model_kept", outcome.verdict.sentence()};
  }
  if (absl::IsCancelled(outcome.status)) {
    state_ = State::kWaiting;
    return std::nullopt;
  }
  ++failed_;
  state_ = absl::IsFailedPrecondition(outcome.status) ? State::kNoProgram : State::kFailing;
  absl::Duration wait = options_.retry;
  for (int i = 0; i < failures_in_a_row_ && wait < options_.interval; ++i) wait *= 2;
  next_ = now + std::min(wait, options_.interval);
  ++failures_in_a_row_;
  std::string failure(outcome.status.message());
  if (failure == last_failure_) return std::nullopt;
  last_failure_ = failure;
  return RetrainingNews{"retraining_failed", std::move(failure)};
}

std::map<std::string, uint64_t> RetrainingSchedule::ByOutcome() const {
  return {{"promoted", promoted_}, {"kept", kept_}, {"failed", failed_}};
}

}  // namespace truce::controller
