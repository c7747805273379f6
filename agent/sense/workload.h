// One workload as the sampler holds it: who it is, its open cgroup, and the previous totals that rates are made from.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agent/sense/discovery.h"
#include "src/base/reading.h"
#include "src/host/cgroup.h"

namespace truce::agent {

// Turns a total that only grows into a rate. The first total gives none, and so does one that went back (a counter that
// was reset), which starts anew.
class RateOf {
 public:
  // Growth per second between the last call and this one, or nullopt.
  std::optional<double> Update(uint64_t total, absl::Duration now) {
    std::optional<double> rate;
    if (has_previous_ && total >= previous_ && now > when_) {
      rate = static_cast<double>(total - previous_) / absl::ToDoubleSeconds(now - when_);
    }
    has_previous_ = true;
    previous_ = total;
    when_ = now;
    return rate;
  }

 private:
  bool has_previous_ = false;
  uint64_t previous_ = 0;
  absl::Duration when_;
};

// Previous totals, one per reading that is a rate.
struct WorkloadTotals {
  RateOf cpu_usage_us, cpu_system_us, throttled_periods, periods;
  RateOf psi_cpu_some, psi_memory_some, psi_memory_full, psi_io_some, psi_io_full;
  RateOf page_faults, major_faults;
  RateOf read_bytes, write_bytes, read_operations, write_operations;
  RateOf receive_bytes, transmit_bytes;
  // Run-queue wait (ns) and switches of each thread at the last look.
  struct Thread {
    uint64_t wait_ns = 0;
    uint64_t switches = 0;
    bool seen = false;
  };
  std::map<int, Thread> threads;
  absl::Duration threads_read_at;
};

// Who a workload is. Everything but the mode stays the same for its life.
struct WorkloadIdentity {
  // The agent's own number for it, never used twice.
  uint64_t key = 0;
  std::string name;
  uint64_t instance = 0;
  std::string kind;
  std::string application;
  std::string tenant;
  v1::WorkloadClass workload_class = v1::WORKLOAD_CLASS_STANDARD;
  int priority = 0;
  v1::Mode mode_ceiling = v1::MODE_UNSPECIFIED;
  std::vector<v1::Lever> levers;
  absl::Time first_seen;
};

struct Workload {
  WorkloadIdentity identity;
  std::unique_ptr<host::Cgroup> cgroup;
  WorkloadTotals totals;
  // Readings of the current interval. Slow ones (memory, I/O, quota, network, threads) are carried over between the
  // ticks that read them.
  Sample sample;
  // Readings that were taken on a slow tick, to carry over.
  Sample slow;
  // CPUs that it may run on now, ascending, as of the last slow tick; empty when its cgroup does not say: then all.
  std::vector<int> cpus;
  // Name of a device that it reads or writes most ("8:0"), for its latency.
  std::string busiest_device;
};

}  // namespace truce::agent
