#include "agent/target.h"

namespace truce::agent {

ActionTarget TargetOf(const Workload& workload) {
  ActionTarget target;
  const WorkloadIdentity& identity = workload.identity;
  const Sample& sample = workload.sample;
  target.name = identity.name;
  target.kind = identity.kind;
  target.instance = identity.instance;
  target.workload_class = identity.workload_class;
  target.mode = identity.mode_ceiling;
  target.allowed_levers = identity.levers;
  target.cgroup = workload.cgroup.get();
  target.cpu_usage_cores = sample.get(Reading::kCpuUsageCores);
  target.cpu_throttled_ratio = sample.get(Reading::kCpuThrottledRatio);
  const auto read = sample.get(Reading::kDiskReadBytesPerSecond);
  const auto written = sample.get(Reading::kDiskWriteBytesPerSecond);
  if (read && written) target.disk_bytes_per_second = *read + *written;
  target.network_transmit_bytes_per_second = sample.get(Reading::kNetworkTransmitBytesPerSecond);
  target.instructions_per_second = sample.get(Reading::kInstructionsPerSecond);
  const auto bytes = [&](Reading reading) {
    const auto value = sample.get(reading);
    return value && *value >= 0 ? std::optional<uint64_t>(static_cast<uint64_t>(*value)) : std::nullopt;
  };
  target.memory = {bytes(Reading::kMemoryUsageBytes), bytes(Reading::kMemoryWorkingSetBytes),
                   sample.get(Reading::kPsiMemoryFullRatio)};
  return target;
}

}  // namespace truce::agent
