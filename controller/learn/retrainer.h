// Retrains the demand model in a child process, truce-lab retrain, so that the controller needs no libtorch and a
// training that goes wrong takes nothing with it. ControllerCore (controller/serve) says when (retraining_schedule.h),
// hands over champion and history, and polls what came of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "truce/v1/history.pb.h"

namespace truce::controller {

struct RetrainerOptions {
  // truce-lab.
  std::string program;
  // Where the best model so far is kept (demand.truce), and where champion, history and challenger lie while a training
  // goes on (files that begin with "retraining-", which are removed). For the controller's user only; made when it is
  // not there.
  std::string directory;
  // The champion while there is no better one.
  std::string shipped_model;
  // What the child may have of memory that it can write, and how long it may take.
  uint64_t memory_bytes = uint64_t{2} << 30;
  absl::Duration time_limit = absl::Hours(2);
};

// A model that is better than the champion.
struct Challenger {
  std::string bytes;
  // Where it is kept.
  std::string file;
  // Why, for a person.
  std::string sentence;
};

// Thread-safe.
class Retrainer {
 public:
  // Deletes the best model so far.
  void ForgetBest() const;
  struct Outcome {
    // FailedPrecondition: there is no truce-lab, or no champion. DeadlineExceeded and Cancelled: it was ended. Internal
    // for the rest, with the last line of its stderr.
    absl::Status status;
    // Only when OK.
    v1::RetrainingVerdict verdict;
    // Only when the verdict says so.
    std::optional<Challenger> challenger;
  };

  explicit Retrainer(RetrainerOptions options) : options_(std::move(options)) {}
  // Ends what goes on: a second is enough for that.
  ~Retrainer();

  // Begins to train in the background. Without a champion it is the best model so far. False, and nothing done, while
  // one goes on or its outcome was not taken.
  bool Start(std::optional<std::string> champion, v1::DemandHistoryFile history) ABSL_LOCKS_EXCLUDED(mutex_);
  bool running() const ABSL_LOCKS_EXCLUDED(mutex_);
  // What came of the last training; once.
  std::optional<Outcome> TakeOutcome() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  Outcome Train(const std::optional<std::string>& champion, const v1::DemandHistoryFile& history) const;
  absl::Status Prepare(const std::optional<std::string>& champion, const v1::DemandHistoryFile& history) const;
  absl::StatusOr<Challenger> TakeChallenger(const v1::RetrainingVerdict& verdict) const;
  std::string File(std::string_view name) const;
  absl::StatusOr<v1::RetrainingVerdict> RunChild() const;

  const RetrainerOptions options_;
  std::atomic<bool> stop_ = false;
  mutable absl::Mutex mutex_;
  bool running_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<Outcome> outcome_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace truce::controller
