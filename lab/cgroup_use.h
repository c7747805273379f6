// What a cgroup used, from whichever tree counts it.
#pragma once

#include <cstdint>
#include <optional>

#include "src/host/cgroup.h"

namespace truce::lab {

// CPU time since it was made, in microseconds; nullopt where nobody counts it.
std::optional<uint64_t> CpuUsageUs(host::Cgroup& cgroup);

}  // namespace truce::lab
