// When the demand model is retrained, and what of it is told. Plain: handed the time, no locks; ControllerCore's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "controller/learn/retrainer.h"

namespace truce::controller {

struct RetrainingScheduleOptions {
  absl::Duration interval = absl::Hours(24);
  // With less history than that no training begins.
  absl::Duration least_history = absl::Hours(6);
  // What truce-lab needs to learn from and to judge by, and some to spare (lab/retrain/retrain.h).
  size_t least_values = 30'000;
  // Between two trainings, when the error on hosts rose meanwhile.
  absl::Duration least_gap = absl::Hours(6);
  // After the start of the controller; and after a failure, doubled with each further one, up to the interval.
  absl::Duration retry = absl::Hours(1);
};

// To be told as an event of the controller.
struct RetrainingNews {
  // "retraining_failed", "model_retrained" (a challenger is better), "model_kept".
  std::string kind;
  std::string message;
};

class RetrainingSchedule {
 public:
  enum class State { kWaiting, kRunning, kNoProgram, kFailing };

  // Times are of a clock that never goes back.
  RetrainingSchedule(RetrainingScheduleOptions options, absl::Duration now)
      : options_(options), next_(now + options.retry) {}

  // Whether a training should begin with so much history.
  bool Due(absl::Duration now, size_t values, absl::Duration span) const;
  void OnStarted(absl::Duration now);
  // The error of the model in use has risen on hosts: the next training comes sooner.
  void OnErrorRose(absl::Duration now);
  // Nullopt when nobody needs to hear of it: the same failure as the last time, or an end that was asked for.
  std::optional<RetrainingNews> OnOutcome(const Retrainer::Outcome& outcome, absl::Duration now);

  State state() const { return state_; }
  // How many ended so: "promoted", "kept" (the champion stayed), "failed".
  std::map<std::string, uint64_t> ByOutcome() const;

 private:
  const RetrainingScheduleOptions options_;
  State state_ = State::kWaiting;
  absl::Duration next_;
  absl::Duration started_ = -absl::InfiniteDuration();
  int failures_in_a_row_ = 0;
  std::string last_failure_;
  uint64_t kept_ = 0;
  uint64_t promoted_ = 0;
  uint64_t failed_ = 0;
};

}  // namespace truce::controller
