// Runs a program to its end for its answer: text in, text out, an exit code, and an end in time. Used by the daemons
// for programs of the operator's. Thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace truce {

struct ProgramOptions {
  // Program (looked up in PATH) and arguments.
  std::vector<std::string> arguments;
  // Its stdin.
  std::string input;
  // It gets SIGTERM when it is not done by then, or when `cancelled` becomes true...
  absl::Duration patience = absl::Minutes(1);
  const std::atomic<bool>* cancelled = nullptr;
  // ... and SIGKILL, with whoever it started and left in its process group, so long after that.
  absl::Duration grace = absl::Seconds(10);
  // Run in the child before the program starts, such as what bounds it (background.h); as ChildOptions::before_exec.
  std::function<absl::Status()> before_start;
};

struct ProgramResult {
  enum class End { kByItself, kCancelled, kTimedOut };
  // 128 + signal when a signal ended it.
  int exit_code = 0;
  // What it wrote to stdout; what is beyond 1 MiB is thrown away.
  std::string output;
  // The last line that it wrote to stderr and that is not blank; at most 1000 characters of it.
  std::string last_error;
  // What made it end, whatever it made of that: one that is done just then may have succeeded.
  End end = End::kByItself;
};

// Waits until the program has ended, and not for programs that it leaves behind; those must not keep its stdout or
// stderr, which nobody reads any more. It inherits no other open file. An error only when it can't be started at all: a
// program that isn't there ends with exit code 127.
absl::StatusOr<ProgramResult> RunProgram(const ProgramOptions& options);

}  // namespace truce
