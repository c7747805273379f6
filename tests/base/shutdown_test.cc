// Orderly shutdown: a signal becomes a return value and nothing else. Each case runs in a process of its own, because
// signal masks outlive a test.
#include "src/base/shutdown.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <thread>

namespace truce {
namespace {

// Exit status of `body` run in a child; 128 + signal when one killed it.
int InChild(const std::function<int()>& body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(ShutdownSignalsTest, ASignalIsWaitedForAndRemembered) {
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) {
    EXPECT_EQ(InChild([signal] {
                ShutdownSignals signals;
                if (signals.signal() != 0) return 1;
                if (signals.WaitFor(absl::ZeroDuration())) return 2;
                kill(getpid(), signal);
                if (!signals.WaitFor(absl::Seconds(60))) return 3;
                if (signals.signal() != signal) return 4;
                return signals.WaitFor(absl::ZeroDuration()) ? 0 : 5;
              }),
              0)
        << signal;
  }
}

TEST(ShutdownSignalsTest, ASignalSentToTheProcessReachesTheWaiterAndNotAnotherThread) {
  EXPECT_EQ(InChild([] {
              ShutdownSignals signals;
              std::thread sender([] { kill(getpid(), SIGTERM); });
              const bool came = signals.WaitFor(absl::Seconds(60));
              sender.join();
              return came && signals.signal() == SIGTERM ? 0 : 1;
            }),
            0);
}

TEST(ShutdownSignalsTest, ABrokenPipeDoesNotEndTheProcess) {
  EXPECT_EQ(InChild([] {
              ShutdownSignals signals;
              int channel[2];
              if (pipe(channel) != 0) return 1;
              close(channel[0]);
              return write(channel[1], "x", 1) == -1 && errno == EPIPE ? 0 : 2;
            }),
            0);
}

}  // namespace
}  // namespace truce
