// Divides a host's CPUs between those who are protected and those who give way. Pure; used by the planner.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "truce/v1/types.pb.h"

namespace truce::controller {

// CPUs for those who give way so that `victims_need` CPUs (at least 1) are left to the victims. Givers are packed from
// the end in the order of NUMA node, LLC domain and core: cores stay whole, and domains and nodes as far as possible.
// At least one CPU is left to each side; a core is split only when there is no whole core to give. nullopt on fewer
// than two CPUs.
std::optional<std::vector<uint32_t>> CpusForGivers(const std::vector<v1::Cpu>& cpus, int victims_need);

// The same by whole LLC domains, for those who contend for cache or memory bandwidth: nullopt when there is only one
// domain, or when no domain can be given without leaving the victims fewer than they need.
std::optional<std::vector<uint32_t>> LlcDomainsForGivers(const std::vector<v1::Cpu>& cpus, int victims_need);

// "0-3,8" for {0,1,2,3,8}.
std::string CpuList(std::vector<uint32_t> cpus);

}  // namespace truce::controller
