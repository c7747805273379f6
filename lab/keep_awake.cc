#include "lab/keep_awake.h"

#include <sched.h>

#include <cerrno>

#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

constexpr const char* kChild = "keep-awake";

// In the child: within its cgroup, too, it comes last.
absl::Status YieldToAll(int cpu) {
  const sched_param none{};
  if (sched_setscheduler(0, SCHED_IDLE, &none) != 0) return ErrnoStatus(errno, "setting the scheduling policy");
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  if (sched_setaffinity(0, sizeof one, &one) != 0) return ErrnoStatus(errno, StrCat("moving to CPU ", cpu));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<KeepAwake> KeepAwake::Start(host::ScratchCgroups& cgroups, const std::vector<int>& cpus,
                                           const std::string& log) {
  KeepAwake awake(cgroups, log);
  TRUCE_RETURN_IF_ERROR(cgroups.Add(kChild).status());
  TRUCE_RETURN_IF_ERROR(cgroups.SetIdle(kChild));
  for (const int cpu : cpus) {
    ChildOptions child;
    child.arguments = {"bash", "-c", "while :; do :; done"};
    child.log_file = log;
    child.before_exec = [&cgroups, cpu]() -> absl::Status {
      TRUCE_RETURN_IF_ERROR(cgroups.Enter(kChild, 0));
      return YieldToAll(cpu);
    };
    TRUCE_ASSIGN_OR_RETURN(ChildProcess process, ChildProcess::Start(child));
    awake.processes_.push_back(std::move(process));
  }
  return awake;
}

absl::Status KeepAwake::Check() {
  for (ChildProcess& process : processes_) {
    if (!process.Running()) {
      return absl::UnavailableError(StrCat("a process that keeps CPUs awake ended by itself; see ", log_));
    }
  }
  return absl::OkStatus();
}

absl::Status KeepAwake::Stop() {
  for (ChildProcess& process : processes_) process.Kill();
  processes_.clear();
  return cgroups_->EndAndDrop(kChild);
}

}  // namespace truce::lab
