#include "agent/sense/host_topology.h"

namespace truce::agent {

Topology TopologyOf(const v1::HostInventory& inventory) {
  Topology topology;
  for (const v1::Cpu& cpu : inventory.cpus()) {
    topology.cpus.push_back({static_cast<int>(cpu.id()), static_cast<int>(cpu.core()), static_cast<int>(cpu.llc()),
                             static_cast<int>(cpu.numa_node())});
  }
  return topology;
}

}  // namespace truce::agent
