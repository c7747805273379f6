// What trying levers needs of the host beside its cgroups.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agent/host_lock.h"
#include "lab/levers/levers.h"
#include "lab/levers/pair.h"
#include "src/host/cgroup.h"
#include "src/host/resctrl.h"
#include "src/host/traffic.h"

namespace truce::lab {

// Null where it can't be had.
struct Means {
  std::unique_ptr<host::Traffic> traffic;
  // An agent's classes would be taken for those of an earlier run, so none may run while there are classes here.
  agent::HostLock alone;
  std::unique_ptr<host::Resctrl> resctrl;
  absl::Status no_resctrl;
};

// A directory of the lab's own below the work directory, made when it is needed.
std::string LockDirectory(const LeversOptions& options);

// Looks for what the pairs need, and for no more.
Means FindMeans(const LeversOptions& options, const std::vector<LeverPair>& pairs, const host::CgroupLayout& layout);

}  // namespace truce::lab
