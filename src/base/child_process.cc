#include "src/base/child_process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>

#include "absl/time/clock.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce {
namespace {

int ExitCode(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Allocates nothing: other threads of the parent may have been allocating.
[[noreturn]] void BecomeProgram(const ChildOptions& options, char* const* arguments, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(125);  // the parent died before the line above
  // A group of its own: Ctrl-C reaches the tool alone, which then ends its children in order.
  setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  std::signal(SIGPIPE, SIG_DFL);
  const char* log = options.log_file.empty() ? "/dev/null" : options.log_file.c_str();
  const int output = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (output >= 0) {
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
  }
  if (options.output_fd >= 0) dup2(options.output_fd, STDOUT_FILENO);
  if (options.error_fd >= 0) dup2(options.error_fd, STDERR_FILENO);
  const int input = options.input_fd >= 0 ? options.input_fd : open("/dev/null", O_RDONLY);
  if (input >= 0) dup2(input, STDIN_FILENO);
  if (options.before_exec) {
    if (absl::Status status = options.before_exec(); !status.ok()) {
      std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
      _exit(126);
    }
  }
  execvp(options.arguments[0].c_str(), arguments);
  std::fprintf(stderr, "cannot start %s\n", options.arguments[0].c_str());
  _exit(127);
}

}  // namespace

absl::StatusOr<ChildProcess> ChildProcess::Start(const ChildOptions& options) {
  std::vector<char*> arguments;
  for (const std::string& argument : options.arguments) arguments.push_back(const_cast<char*>(argument.c_str()));
  if (!options.name.empty()) arguments[0] = const_cast<char*>(options.name.c_str());
  arguments.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return ErrnoStatus(errno, StrCat("starting ", options.arguments[0]));
  if (pid == 0) BecomeProgram(options, arguments.data(), parent);
  return ChildProcess(pid);
}

ChildProcess::~ChildProcess() {
  Stop();
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), exit_status_(other.exit_status_) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this != &other) {
    Stop();
    pid_ = std::exchange(other.pid_, -1);
    exit_status_ = other.exit_status_;
  }
  return *this;
}

bool ChildProcess::Running() {
  if (pid_ < 0) return false;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) == 0) return true;
  exit_status_ = ExitCode(status);
  pid_ = -1;
  return false;
}

int ChildProcess::Stop(absl::Duration patience) {
  if (!Running()) return exit_status_;
  kill(pid_, SIGTERM);
  const absl::Time deadline = absl::Now() + patience;
  while (absl::Now() < deadline) {
    if (!Running()) return exit_status_;
    absl::SleepFor(absl::Milliseconds(10));
  }
  Kill();
  return exit_status_;
}

void ChildProcess::Kill() {
  if (pid_ < 0) return;
  // Its helpers too: stress-ng's workers are children of its own.
  kill(-pid_, SIGKILL);
  kill(pid_, SIGKILL);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  exit_status_ = ExitCode(status);
  pid_ = -1;
}

}  // namespace truce
