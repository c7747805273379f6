// What every policy of the simulated fleet keeps: who is where, what was asked for on each host, and the rules that all
// of them observe in the same way, so that they differ in what they prefer and in nothing else:
//
//   CPUs asked for on a host   <= overcommit x its CPUs
//   memory asked for on a host <= its memory
//   groups                     never two on a host; a domain without any of it, as long as it is in too few
#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "lab/fleet/placer.h"

namespace truce::lab::fleet {

struct Load {
  double cpus = 0;
  double memory_gib = 0;
};

class Ledger {
 public:
  explicit Ledger(double overcommit) : overcommit_(overcommit) {}

  void SetHosts(const std::vector<HostFacts>& hosts);
  void Add(const Request& request, size_t host);
  void Move(int64_t workload, size_t to);
  void Remove(int64_t workload);

  bool Fits(const Request& request, size_t host) const;
  // The same of one that runs, to another host.
  bool MayMove(int64_t workload, size_t to) const;

  const std::vector<HostFacts>& hosts() const { return hosts_; }
  // Asked for, and what may be.
  const Load& asked(size_t host) const { return asked_[host]; }
  Load Most(size_t host) const { return {overcommit_ * hosts_[host].cpus, hosts_[host].memory_gib}; }
  const std::vector<int64_t>& on(size_t host) const { return on_[host]; }
  // Nullptr, and host(), when it does not run.
  const Request* Find(int64_t workload) const;
  size_t HostOf(int64_t workload) const { return placed_.at(workload).host; }
  size_t workloads() const { return placed_.size(); }
  // Hosts of those of the group that run.
  const std::vector<size_t>& HostsOf(int64_t group) const;

 private:
  struct Placed {
    Request request;
    size_t host = 0;
  };
  void Count(const Request& request, size_t host, double sign);
  // `leaves`: the host of one of the group that doesn't count; kNone: all do.
  static constexpr size_t kNone = static_cast<size_t>(-1);
  bool FitsWithout(const Request& request, size_t host, size_t leaves) const;

  double overcommit_;
  std::vector<HostFacts> hosts_;
  std::vector<Load> asked_;
  std::vector<std::vector<int64_t>> on_;
  absl::flat_hash_map<int64_t, Placed> placed_;
  absl::flat_hash_map<int64_t, std::vector<size_t>> groups_;
};

}  // namespace truce::lab::fleet
