// The models' view of the CPUs that the inventory found.
#pragma once

#include "models/topology.h"
#include "truce/v1/types.pb.h"

namespace truce::agent {

Topology TopologyOf(const v1::HostInventory& inventory);

}  // namespace truce::agent
