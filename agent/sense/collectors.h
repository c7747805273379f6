// One function per kind of reading. Each reads what this host has, file by file (v2 first, then v1), sets the readings
// it found and leaves the others missing. A file that is not there, or a cgroup that goes away in the middle, is normal
// life. Called by the sampler, on its thread.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "agent/sense/workload.h"
#include "src/host/file.h"
#include "src/host/traffic.h"

namespace truce::agent {

// What collectors share within a tick.
struct CollectContext {
  absl::Duration now;
  std::string procfs;
  host::ReadBuffer& buffer;
  // CPUs online: what a workload without a cpuset may use.
  int online_cpus = 1;
  // Network namespace of the agent itself (inode); a workload in the same one has no network readings of its own.
  uint64_t own_network_namespace = 0;
  // Mean latency of each device over the last interval, seconds, by "major:minor".
  const std::map<std::string, double>& device_latency;
  // Counts the traffic of workloads; null where that can't be had.
  const host::Traffic* traffic = nullptr;
};

// CPU time, system share, throttling. Every tick.
void CollectCpu(Workload& workload, const CollectContext& context, Sample& sample);
// Pressure stall information. Every tick.
void CollectPressure(Workload& workload, const CollectContext& context, Sample& sample);
// Quota and allowed CPUs. Slow.
void CollectCpuLimits(Workload& workload, const CollectContext& context, Sample& sample);
// Usage, working set, limit, faults. Slow.
void CollectMemory(Workload& workload, const CollectContext& context, Sample& sample);
// Bytes and operations per second, latency of the busiest device. Slow.
void CollectDisk(Workload& workload, const CollectContext& context, Sample& sample);
// Threads: run-queue wait and context switches from /proc/TID/schedstat, task count. Slow, unless PSI is missing.
void CollectThreads(Workload& workload, const CollectContext& context, Sample& sample);
// Bytes per second: of its sockets, where traffic is counted; else of its network namespace, when it has its own. Slow.
void CollectNetwork(Workload& workload, const CollectContext& context, Sample& sample);

// Host-wide readings, from /proc/stat and /proc/diskstats.
class HostCollector {
 public:
  explicit HostCollector(std::string procfs) : procfs_(std::move(procfs)) {}
  // Reads both files; call once per tick.
  void Collect(absl::Duration now, host::ReadBuffer& buffer);
  // Share of all CPU time; missing on the first tick.
  std::optional<double> steal_ratio() const { return steal_ratio_; }
  std::optional<double> busy_ratio() const { return busy_ratio_; }
  const std::map<std::string, double>& device_latency() const { return device_latency_; }

 private:
  struct DeviceTotals {
    uint64_t operations = 0;
    uint64_t milliseconds = 0;
  };
  std::string procfs_;
  RateOf steal_, idle_, all_;
  std::optional<double> steal_ratio_;
  std::optional<double> busy_ratio_;
  std::map<std::string, DeviceTotals> device_totals_;
  std::map<std::string, double> device_latency_;
};

}  // namespace truce::agent
