// What the actuator must know of a workload, from the workload as the sampler holds it. Used by the agent, and by tools
// that let the actuator act without one.
#pragma once

#include "agent/act/actuator.h"
#include "agent/sense/workload.h"

namespace truce::agent {

// Who it is, the levers on it, its cgroup and its last readings. The mode is the ceiling of its rule; whether it is
// slowed, and who else may own its controls, is the caller's to add. Valid as long as the workload.
ActionTarget TargetOf(const Workload& workload);

}  // namespace truce::agent
