#include "tests/bench/agent_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <httplib.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "src/base/status.h"
#include "src/host/file.h"

namespace truce::bench {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(10);
constexpr absl::Duration kPoll = absl::Milliseconds(20);
constexpr size_t kLogTailBytes = 2000;

// Runs in the child.
[[noreturn]] void BecomeAgent(const std::string& binary, const std::string& config, const std::string& log,
                              pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(0);
  setpgid(0, 0);  // Ctrl-C is the bench's: it stops the agent in its own order
  const int file = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (file >= 0) {
    dup2(file, STDOUT_FILENO);
    dup2(file, STDERR_FILENO);
  }
  execl(binary.c_str(), binary.c_str(), "--config", config.c_str(), static_cast<char*>(nullptr));
  _exit(127);
}

// A loopback port that nobody has at the moment.
absl::StatusOr<int> FreePort() {
  host::UniqueFd socket_fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (!socket_fd.valid() || bind(socket_fd.get(), generic, size) != 0 ||
      getsockname(socket_fd.get(), generic, &size) != 0) {
    return ErrnoStatus(errno, "finding a free port for the agent's metrics");
  }
  return ntohs(address.sin_port);
}

int64_t StatusNumber(std::string_view status, std::string_view key) {
  int64_t value = 0;
  host::ForEachLine(status, [&](std::string_view line) {
    if (!line.starts_with(key)) return;
    line.remove_prefix(key.size());
    value = host::FirstNumber(host::NextWord(&line)).value_or(0);
  });
  return value;
}

}  // namespace

absl::StatusOr<std::unique_ptr<AgentProcess>> AgentProcess::Start(const std::string& binary,
                                                                  const std::string& settings) {
  if (access(binary.c_str(), X_OK) != 0)
    return ErrnoStatus(errno, absl::StrCat("starting ", binary, " (build truce-agent first)"));
  auto agent = std::unique_ptr<AgentProcess>(new AgentProcess);
  std::string directory = std::filesystem::temp_directory_path() / "truce-bench-XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) return ErrnoStatus(errno, absl::StrCat("making ", directory));
  agent->directory_ = directory;
  const std::string config = directory + "/agent.yaml";
  std::filesystem::create_directory(directory + "/state");
  std::filesystem::create_directory(directory + "/run");
  TRUCE_ASSIGN_OR_RETURN(agent->port_, FreePort());
  std::ofstream(config) << settings << "\nmetrics:\n  listen: 127.0.0.1:" << agent->port_
                        << "\nstate_directory: " << directory << "/state\n";
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) return ErrnoStatus(errno, "forking the agent");
  if (child == 0) BecomeAgent(binary, config, directory + "/log", parent);
  agent->pid_ = child;
  return agent;
}

AgentProcess::~AgentProcess() {
  if (pid_ > 0) {
    kill(pid_, SIGTERM);
    const absl::Time deadline = absl::Now() + kPatience;
    while (waitpid(pid_, nullptr, WNOHANG) == 0) {
      if (absl::Now() > deadline) kill(pid_, SIGKILL);
      absl::SleepFor(kPoll);
    }
  }
  std::error_code ignored;
  if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
}

absl::StatusOr<ProcessCost> AgentProcess::Cost() {
  int state = 0;
  if (pid_ < 0 || waitpid(pid_, &state, WNOHANG) != 0) {
    pid_ = -1;
    return absl::AbortedError(
        absl::StrCat("the agent ended by itself (wait status ", state, "); its log ends with:\n", LogTail()));
  }
  ProcessCost cost;
  // The process clock has the resolution of the scheduler; /proc/PID/stat rounds the same time to ticks of 10 ms.
  clockid_t clock = 0;
  timespec time{};
  if (clock_getcpuclockid(pid_, &clock) != 0 || clock_gettime(clock, &time) != 0) {
    return absl::InternalError("reading the agent's CPU clock");
  }
  cost.cpu_time = absl::DurationFromTimespec(time);
  const std::string proc = absl::StrCat("/proc/", pid_);
  TRUCE_ASSIGN_OR_RETURN(const std::string status, host::ReadFile(proc + "/status"));
  cost.rss_bytes = 1024.0 * static_cast<double>(StatusNumber(status, "VmRSS:"));
  cost.threads = static_cast<int>(StatusNumber(status, "Threads:"));
  std::error_code ignored;
  for (auto entry = std::filesystem::directory_iterator(proc + "/fd", ignored);
       entry != std::filesystem::directory_iterator(); entry.increment(ignored)) {
    ++cost.descriptors;
  }
  return cost;
}

absl::StatusOr<int> AgentProcess::WatchedWorkloads() const {
  httplib::Client client("127.0.0.1", port_);
  const httplib::Result page = client.Get("/metrics");
  if (!page || page->status != 200) return absl::UnavailableError("the agent's /metrics does not answer");
  constexpr std::string_view kName = "truce_agent_workloads ";
  std::optional<int> watched;
  host::ForEachLine(page->body, [&](std::string_view line) {
    // Prometheus prints doubles; counts of this size have no exponent.
    if (line.starts_with(kName)) watched = static_cast<int>(host::FirstNumber(line.substr(kName.size())).value_or(0));
  });
  if (!watched.has_value())
    return absl::UnavailableError("the agent's /metrics does not say how many workloads it watches");
  return *watched;
}

std::string AgentProcess::LogTail() const {
  const absl::StatusOr<std::string> log = host::ReadFile(directory_ + "/log");
  if (!log.ok()) return "(no log)";
  return log->substr(log->size() - std::min(log->size(), kLogTailBytes));
}

}  // namespace truce::bench
