// One agent per host: two would fight over the same files, whatever their configuration says. So the lock is on the
// things that they would fight over, the cgroup root and the state directory, and the kernel drops it when the process
// ends.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/host/file.h"

namespace truce::agent {

// Held as long as it lives.
struct HostLock {
  std::vector<host::UniqueFd> directories;
};

// Makes `state_directory` (mode 0700) when it is missing. AlreadyExists, naming the process, when another agent holds
// either directory.
//
// Anybody may lock a directory that they can read, so a lock on the cgroup root counts only when root or this process's
// own user holds it: nobody else can keep an agent from starting. That is looked up in `procfs`/locks; when it can't
// be, the lock counts.
absl::StatusOr<HostLock> LockHost(const std::string& cgroup_root, const std::string& state_directory,
                                  const std::string& procfs);

}  // namespace truce::agent
