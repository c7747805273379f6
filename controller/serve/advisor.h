// Thinks out in the background what would be better elsewhere, now and then, and tells whoever watches.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "controller/plan/place/advise.h"
#include "controller/plan/place/places.h"
#include "src/base/clock.h"
#include "truce/v1/scheduler.pb.h"

namespace truce::controller {

struct AdvisorOptions {
  // Between two advices; zero: none is ever given.
  absl::Duration interval = absl::Minutes(5);
  AdviseOptions advise;
};

// Thread-safe.
class Advisor {
 public:
  // Called with each advice, on the advisor's thread, and under its lock: must not block or call back.
  using Watcher = std::function<void(const v1::Advice&)>;

  // Both outlive it. Its thread has the lowest priority that there is.
  Advisor(AdvisorOptions options, Places& places, const Clock& clock);
  ~Advisor();

  // The newest advice comes at once; one without a version while none was thought out. Returns what Unwatch takes.
  // `anew`: has one begun that knows all that is known now, and nothing older comes; FailedPrecondition when none is
  // ever given.
  absl::StatusOr<uint64_t> Watch(Watcher watcher, bool anew = false);
  // The watcher is not called any more once this returns.
  void Unwatch(uint64_t id);

 private:
  struct Watching {
    Watcher watcher;
    // What is older is none of its business.
    uint64_t least_version = 0;
  };
  void Run();
  // Whether somebody waits for an advice that was not begun yet.
  bool IsWanted() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Think();

  const AdvisorOptions options_;
  Places& places_;
  const Clock& clock_;
  std::atomic<bool> stop_{false};
  absl::Mutex mutex_;
  std::shared_ptr<const v1::Advice> newest_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, Watching> watchers_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_watcher_ ABSL_GUARDED_BY(mutex_) = 1;
  // Of the advice that was begun last.
  uint64_t version_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread thread_;
};

}  // namespace truce::controller
