// Time, handed in through constructors so that tests own it.
#pragma once

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace truce {

// Where time comes from. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Wall-clock time, for what people read and what goes over the wire.
  virtual absl::Time Now() const = 0;
  // Time since an arbitrary origin that never goes back or jumps, for intervals, deadlines and leases. It goes on while
  // the host is suspended, so a lease ends on time after a resume.
  virtual absl::Duration Monotonic() const = 0;
};

// The system's clocks (CLOCK_REALTIME and CLOCK_BOOTTIME). Lives as long as the process.
const Clock& SystemClock();

// A clock that moves when told to.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(absl::Time start = absl::FromUnixSeconds(1'700'000'000)) : now_(start) {}
  absl::Time Now() const override;
  absl::Duration Monotonic() const override;
  void Advance(absl::Duration by);
  // Moves wall time alone, as an administrator or NTP would.
  void JumpWallTime(absl::Duration by);

 private:
  mutable absl::Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_);
  absl::Duration monotonic_ ABSL_GUARDED_BY(mutex_) = absl::Seconds(1000);
};

}  // namespace truce
