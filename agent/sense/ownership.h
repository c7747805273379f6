// Who may write a cgroup's control files. systemd owns its units' attributes unless it delegated them. Called by the
// tick loop before an action.
#pragma once

#include <string>

#include "src/host/cgroup.h"

namespace truce::agent {

// Empty when Truce may write the cgroup's controls; otherwise why not, with the remedy. A cgroup is systemd's when
// systemd runs (`run_directory`/systemd/system exists), its name ends in .service, .scope or .slice, and it carries no
// delegate mark (the extended attribute user.delegate or trusted.delegate, systemd.resource-control(5)).
std::string OwnerRefusal(const host::Cgroup& cgroup, const std::string& run_directory);

}  // namespace truce::agent
