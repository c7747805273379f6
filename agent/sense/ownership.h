// Who may change a cgroup's controls. systemd owns its units' attributes unless it delegated them, and is asked for
// them (src/host/unit_control.h). Called by the tick loop before an action.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "src/host/cgroup.h"

namespace truce::agent {

// Empty when Truce may change the cgroup's controls; otherwise why not, with the remedy. `units`: whether systemd can
// be asked. A cgroup is systemd's when systemd runs (`run_directory`/systemd/system exists), its name ends in .service,
// .scope or .slice, and it carries no delegate mark (the extended attribute user.delegate or trusted.delegate,
// systemd.resource-control(5)).
std::string OwnerRefusal(const host::Cgroup& cgroup, const std::string& run_directory, const absl::Status& units);

}  // namespace truce::agent
