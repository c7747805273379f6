#include "lab/forecast/processes.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "models/training/gloo_exchange.h"
#include "src/base/child_process.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/file.h"

namespace truce::lab {
namespace {

// One that trained to the end exits by itself in this time.
constexpr absl::Duration kExit = absl::Seconds(10);

absl::Status SetRendezvous(const std::string& text, GlooOptions* options) {
  const size_t colon = text.rfind(':');
  int port = 0;
  if (colon == std::string::npos || colon == 0 || !absl::SimpleAtoi(text.substr(colon + 1), &port) || port < 1 ||
      port > 65535) {
    return absl::InvalidArgumentError(
        StrCat("--rendezvous '", text, "': it is HOST:PORT of process 0, such as 10.0.0.1:29500"));
  }
  options->host = text.substr(0, colon);
  if (options->host.front() == '[' && options->host.back() == ']') {
    options->host = options->host.substr(1, options->host.size() - 2);
  } else if (options->host.find(':') != std::string::npos) {
    return absl::InvalidArgumentError(StrCat("--rendezvous '", text, "': put the IPv6 address in brackets"));
  }
  options->port = static_cast<uint16_t>(port);
  return absl::OkStatus();
}

// The processes that this one started.
class Others {
 public:
  Others(const ProcessesOptions& options, const std::vector<std::string>& arguments)
      : options_(options), arguments_(arguments) {}

  absl::Status Start(const std::string& rendezvous) {
    std::error_code error;
    const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
    if (error) return absl::InternalError(StrCat("reading /proc/self/exe: ", error.message()));
    const host::UniqueFd said(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    if (said.get() < 0) return ErrnoStatus(errno, "duplicating stderr");
    for (int rank = 1; rank < options_.processes; ++rank) {
      ChildOptions child;
      child.arguments = {program.string()};
      child.arguments.insert(child.arguments.end(), arguments_.begin(), arguments_.end());
      for (const std::string& argument :
           {std::string("--distributed"), std::string("--rank"), StrCat(rank), std::string("--world"),
            StrCat(options_.processes), std::string("--rendezvous"), rendezvous, std::string("--timeout"),
            StrCat(options_.timeout_seconds)}) {
        child.arguments.push_back(argument);
      }
      // A number of its own: those of stdout and stderr are others in the child by the time that it looks at this.
      child.output_fd = child.error_fd = said.get();
      TRUCE_ASSIGN_OR_RETURN(ChildProcess started, ChildProcess::Start(child));
      started_.push_back(std::move(started));
    }
    return absl::OkStatus();
  }

  // Unavailable when one has ended.
  absl::Status Check() {
    for (size_t i = 0; i < started_.size(); ++i) {
      if (!started_[i].Running()) return absl::UnavailableError(StrCat("process ", i + 1, " ended before it began"));
    }
    return absl::OkStatus();
  }

  // Those that are done exit by themselves.
  void Wait() {
    const absl::Time deadline = absl::Now() + kExit;
    for (ChildProcess& one : started_) {
      while (one.Running() && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(10));
    }
  }

 private:
  const ProcessesOptions& options_;
  const std::vector<std::string>& arguments_;
  std::vector<ChildProcess> started_;
};

// Whoever waits at the terminal is told what for.
void TellStaying(const absl::Status& why, const std::vector<int>& others) {
  std::fprintf(stderr, "%s; still waiting for %s %s to end, alive but perhaps hung\n",
               why.ok() ? "process 0 is done" : std::string(why.message()).c_str(),
               others.size() == 1 ? "process" : "processes", absl::StrJoin(others, ", ").c_str());
}

absl::Status WorkIn(GlooOptions options, const PartOfWork& work) {
  options.staying = TellStaying;
  // What is written to a process that has ended is an error like others.
  std::signal(SIGPIPE, SIG_IGN);
  TRUCE_ASSIGN_OR_RETURN(const std::unique_ptr<GlooExchange> exchange, GlooExchange::Join(options));
  const absl::Status status = work(*exchange);
  exchange->Leave(status);
  return status;
}

}  // namespace

absl::Status WorkTogether(const ProcessesOptions& options, const std::vector<std::string>& arguments,
                          const PartOfWork& work) {
  GlooOptions gloo;
  gloo.patience = absl::Seconds(options.timeout_seconds);
  if (options.distributed) {
    if (options.rank >= options.world) {
      return absl::InvalidArgumentError(StrCat("--rank ", options.rank, ": of --world ", options.world,
                                               " processes the last is ", options.world - 1));
    }
    gloo.rank = options.rank;
    gloo.processes = options.world;
    TRUCE_RETURN_IF_ERROR(SetRendezvous(options.rendezvous, &gloo));
    return WithContext(WorkIn(gloo, work), StrCat("process ", options.rank));
  }
  if (options.processes == 1) {
    OneProcess alone;
    return work(alone);
  }
  Others others(options, arguments);
  gloo.processes = options.processes;
  gloo.listening = [&](uint16_t port) { return others.Start(StrCat(gloo.host, ":", port)); };
  gloo.waiting = [&] { return others.Check(); };
  const absl::Status status = WorkIn(gloo, work);
  if (status.ok()) others.Wait();
  return status;
}

}  // namespace truce::lab
