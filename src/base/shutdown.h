// Orderly shutdown: SIGTERM and SIGINT become something that the main loop waits for, so that no handler runs in the
// middle of anything.
#pragma once

#include "absl/time/time.h"

namespace truce {

// Blocks SIGTERM, SIGINT and SIGHUP in the calling thread and all threads made after it, and ignores SIGPIPE. Create it
// in main before any thread starts. One per process.
class ShutdownSignals {
 public:
  ShutdownSignals();
  // Waits up to `timeout` for a signal. True once one has come; stays true from then on. Main thread only.
  bool WaitFor(absl::Duration timeout);
  // The signal that came; 0 before.
  int signal() const { return signal_; }

 private:
  int signal_ = 0;
};

}  // namespace truce
