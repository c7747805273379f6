// What this host is: CPUs with their cores, NUMA nodes and caches, memory, disks, network, kernel, cgroups, and what is
// missing. Read once at start.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "src/host/cgroup.h"
#include "src/host/counters.h"
#include "truce/v1/types.pb.h"

namespace truce::host {

struct InventoryOptions {
  std::string procfs = "/proc";
  std::string sysfs = "/sys";
  // The host's name on the wire; it must match the agent's certificate.
  std::string host;
  std::string agent_version;
  // What fails together with this host; empty: nobody said.
  std::string fault_domain;
};

// FailedPrecondition when sysfs has no CPU list. Every other thing that is not there ends up in `missing`, with the
// reason and the remedy. `counters` is what CreateCounterService found.
absl::StatusOr<v1::HostInventory> TakeInventory(const InventoryOptions& options, const CgroupLayout& layout,
                                                const CounterStatus& counters);

// The disk that the kernel calls `name`; nullopt for what is no disk: partitions, memory, loops over files, and drives
// with nothing in them.
std::optional<v1::Disk> DescribeDisk(const std::string& sysfs, const std::string& name);

// CPUs online, by sysfs.
absl::StatusOr<std::vector<int>> OnlineCpus(const std::string& sysfs);
// The list of all CPUs that this machine's kernel can ever have, "0-63". There is one such kernel, so no path is asked
// for.
absl::StatusOr<std::string> PossibleCpus();

}  // namespace truce::host
