// Watches the host: finds workloads, reads each of them once per tick, and lets go of those that went away.
//
//   cgroup tree ─► Discovery ─► workloads ─► collectors + counters ─► one Sample per workload
//
// Driven by the agent's tick loop, on its thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/sense/collectors.h"
#include "agent/sense/discovery.h"
#include "agent/sense/workload.h"
#include "src/base/clock.h"
#include "src/host/counters.h"
#include "src/host/traffic.h"

namespace truce::agent {

struct SamplerOptions {
  std::string procfs = "/proc";
  // Discovery runs every so many ticks, and so do the slow collectors (each workload on its own tick of the round).
  int slow_every = 5;
  std::vector<DiscoveryRule> rules;
  // A host with more workloads than this has its excess left out, by path order, and counted.
  int most_workloads = 2000;
};

class Sampler {
 public:
  // All but the options outlive the sampler; `counters` and `traffic` may be null.
  Sampler(SamplerOptions options, const host::CgroupLayout& layout, const Clock& clock, host::CounterService* counters,
          host::Traffic* traffic = nullptr);

  // Takes one sample of everything.
  void Tick();
  // Looks for workloads at the next tick, whatever slow_every says: the caller knows that one was made.
  void DiscoverAtNextTick() { discover_now_ = true; }

  // Living workloads by key, each with the sample of the last tick. Stable until the next Tick.
  const std::map<uint64_t, std::unique_ptr<Workload>>& workloads() const { return workloads_; }
  // The living workload of that name, or null.
  Workload* Find(const std::string& name);
  // Names of workloads that appeared or went away in the last tick.
  const std::vector<std::string>& arrived() const { return arrived_; }
  const std::vector<std::string>& departed() const { return departed_; }

  const HostCollector& host() const { return host_; }
  // False when no workload has PSI.
  bool has_pressure() const { return has_pressure_; }
  // Workloads left out: over the limit, or impossible to open (the last reason).
  int left_out() const { return left_out_; }
  const std::string& left_out_reason() const { return left_out_reason_; }

 private:
  void Discover(absl::Duration now);
  void SampleOne(Workload& workload, const CollectContext& context, bool slow);
  void SampleCounters(Workload& workload, Sample& sample);
  void Remove(uint64_t key);

  const SamplerOptions options_;
  const host::CgroupLayout& layout_;
  const Clock& clock_;
  host::CounterService* const counters_;
  host::Traffic* const traffic_;
  Discovery discovery_;
  HostCollector host_;
  host::ReadBuffer buffer_;
  std::map<uint64_t, std::unique_ptr<Workload>> workloads_;
  std::map<std::string, uint64_t> by_name_;
  std::vector<std::string> arrived_;
  std::vector<std::string> departed_;
  uint64_t next_key_ = 1;
  uint64_t tick_ = 0;
  absl::Duration previous_tick_;
  uint64_t own_network_namespace_ = 0;
  int online_cpus_ = 1;
  bool has_pressure_ = true;
  bool discover_now_ = false;
  int left_out_ = 0;
  std::string left_out_reason_;
};

}  // namespace truce::agent
