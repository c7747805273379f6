#include "lab/cgroup_use.h"

#include "src/host/file.h"

namespace truce::lab {

std::optional<uint64_t> CpuUsageUs(host::Cgroup& cgroup) {
  host::ReadBuffer buffer;
  if (auto stat = cgroup.Read(host::Controller::kUnified, "cpu.stat", buffer); stat.ok()) {
    return host::FlatKeyed(*stat, "usage_usec");
  }
  if (auto total = cgroup.Read(host::Controller::kCpuacct, "cpuacct.usage", buffer); total.ok()) {
    if (auto nanoseconds = host::FirstNumber(*total)) return static_cast<uint64_t>(*nanoseconds) / 1000;
  }
  return std::nullopt;
}

}  // namespace truce::lab
