// Workloads whose readings say what Truce does to them rather than how they are.
#pragma once

#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "controller/fleet/fleet.h"

namespace truce::controller {

// Those that an enforced action holds. A quota that follows the need leaves its workload to its own ways. Valid until
// the host's next report.
inline absl::flat_hash_set<std::string_view> ActedOn(const HostState& host) {
  absl::flat_hash_set<std::string_view> workloads;
  for (const auto& held : host.held) {
    if (held.action().mode() == v1::MODE_ENFORCE && !held.action().has_follow()) {
      workloads.insert(held.action().workload());
    }
  }
  return workloads;
}

}  // namespace truce::controller
