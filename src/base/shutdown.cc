#include "src/base/shutdown.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>

#include "absl/time/clock.h"

namespace truce {
namespace {

sigset_t Watched() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  return set;
}

}  // namespace

ShutdownSignals::ShutdownSignals() {
  const sigset_t set = Watched();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

bool ShutdownSignals::WaitFor(absl::Duration timeout) {
  if (signal_ != 0) return true;
  const sigset_t set = Watched();
  const absl::Time deadline = absl::Now() + timeout;
  while (true) {
    const timespec left = absl::ToTimespec(std::max(deadline - absl::Now(), absl::ZeroDuration()));
    const int received = sigtimedwait(&set, nullptr, &left);
    if (received > 0) {
      signal_ = received;
      return true;
    }
    if (errno != EINTR) return false;  // EAGAIN: nothing came in time
  }
}

}  // namespace truce
