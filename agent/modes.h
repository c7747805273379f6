// Which mode holds for a workload: the most specific of the controller's rules, or the agent's own default, and never
// more than the host's ceilings.
#pragma once

#include <vector>

#include "agent/sense/workload.h"
#include "truce/v1/types.pb.h"

namespace truce::agent {

struct ModeSettings {
  // What holds while no rule of the controller says otherwise.
  v1::Mode initial = v1::MODE_OBSERVE;
  // Never exceeded, whatever the controller says.
  v1::Mode ceiling = v1::MODE_ENFORCE;
};

// `rules` are those of the last desired set, already narrowed to this host. Among them the most specific that matches
// wins: by workload, then by class, then for all; of two alike, the later.
v1::Mode EffectiveMode(const ModeSettings& settings, const std::vector<v1::ModeRule>& rules,
                       const WorkloadIdentity& workload);

}  // namespace truce::agent
