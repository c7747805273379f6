// The cgroups below a cgroup, for controls whose value every nested cgroup holds for itself (v1 cpusets) or is bound by
// (v1 CPU quotas). The agent's levers call it.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "src/host/cgroup.h"

namespace truce::host {

// Paths of all cgroups nested in `cgroup` in the tree that serves `controller`, parents before children, siblings by
// name. Cgroups that vanish during the walk are left out. NotFound when the tree does not have `cgroup` itself,
// ResourceExhausted beyond 4096 nested cgroups.
absl::StatusOr<std::vector<std::string>> NestedCgroups(const Cgroup& cgroup, Controller controller);

}  // namespace truce::host
