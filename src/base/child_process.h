// A program that is started and ended: the scene's servers, benchmarks' subjects. What is run to its end for its answer
// is run by RunProgram (program.h), which stands on this.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace truce {

struct ChildOptions {
  // Program (looked up in PATH) and arguments; the first is what the program sees as its own name unless `name` is
  // given.
  std::vector<std::string> arguments;
  std::string name;
  // Where stdout and stderr go; empty: /dev/null.
  std::string log_file;
  // Where stdout and stderr go instead, and where stdin comes from instead of /dev/null, when they are not negative;
  // stay open in the parent.
  int output_fd = -1;
  int error_fd = -1;
  int input_fd = -1;
  // Run in the child before the program starts; a non-OK status ends the child. Of a process with threads it may call
  // what fork(2) allows there.
  std::function<absl::Status()> before_exec;
};

// Ends its process when it goes out of scope, and the kernel ends it when the parent dies. Not thread-safe.
class ChildProcess {
 public:
  static absl::StatusOr<ChildProcess> Start(const ChildOptions& options);
  ~ChildProcess();
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;

  int pid() const { return pid_; }
  // Whether it still runs; reaps it when it does not.
  bool Running();
  // SIGTERM, then SIGKILL after `patience`. Returns the exit status, or 128 + signal.
  int Stop(absl::Duration patience = absl::Seconds(5));
  // SIGKILL at once.
  void Kill();

 private:
  explicit ChildProcess(int pid) : pid_(pid) {}
  int pid_ = -1;
  int exit_status_ = -1;
};

}  // namespace truce
