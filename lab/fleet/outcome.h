// What a policy's run of the simulated fleet comes to. Workload-time is counted in steps of workloads that run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lab/fleet/placer.h"

namespace truce::lab::fleet {

// Slowdowns, each as long as it lasted. A quantile is exact to half a bin.
class Slowdowns {
 public:
  static constexpr double kBin = 0.0005;
  void Add(double slowdown);
  double count() const { return count_; }
  double Mean() const { return count_ > 0 ? sum_ / count_ : 0; }
  // The smallest that at least that part of the time does not exceed; 0 when there is nothing.
  double Quantile(double part) const;
  // Part of the time with at least models/interference's kNoticedSlowdown.
  double NoticedRatio() const { return count_ > 0 ? noticed_ / count_ : 0; }

 private:
  std::vector<int64_t> bins_;
  double count_ = 0;
  double sum_ = 0;
  double noticed_ = 0;
};

struct Outcome {
  std::string policy;
  size_t hosts = 0;
  Slowdowns by_class[kClasses];
  // Workload-time that ran, that waited for a host, and that ran while a rule was broken: more CPU time or memory asked
  // for than the host has, two of a group on a host, a group in too few domains.
  double running = 0;
  double waiting = 0;
  double over_capacity = 0;
  double group_broken = 0;
  double mean_hosts_used = 0;
  double energy_kwh = 0;
  int64_t migrations = 0;
  // Of the hosts in use, of their CPUs.
  double mean_cpu_used = 0;

  const Slowdowns& critical() const { return by_class[static_cast<size_t>(WorkloadClass::kCritical)]; }
  // Mean over the time of all workloads.
  double MeanOfAll() const;
  double WaitingRatio() const { return running + waiting > 0 ? waiting / (running + waiting) : 0; }
  double ViolationRatio() const { return running > 0 ? (over_capacity + group_broken) / running : 0; }
};

}  // namespace truce::lab::fleet
