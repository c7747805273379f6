// One agent per host: two would fight over the same files, whatever their configuration says. The kernel drops the
// locks when the process ends, however it ends.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/host/file.h"

namespace truce::agent {

// Held as long as it lives.
struct HostLock {
  std::vector<host::UniqueFd> files;
};

struct HostLockOptions {
  std::string cgroup_root;
  // Made with mode 0700 when missing.
  std::string state_directory;
  std::string procfs = "/proc";
  std::string run_directory = "/run";
};

// AlreadyExists, naming the process, when another agent holds any of
//   the cgroup root                                      the thing that two agents would fight over
//   a file named after it in RUN_DIRECTORY/truce-agent   where only root and the agent's own user get
//   the state directory                                  the journal
// Anybody may lock a directory that they can read, so a lock on the cgroup root counts only when root or this process's
// own user holds it: nobody else can keep an agent from starting. That is looked up in `procfs`/locks; when it can't
// be, the lock counts. An agent that may not make its directory in `run_directory` goes without that file.
absl::StatusOr<HostLock> LockHost(const HostLockOptions& options);

}  // namespace truce::agent
