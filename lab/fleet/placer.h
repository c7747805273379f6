// Who decides where workloads of the simulated fleet run. What comes in is what a scheduler is told (requests, who came
// and went) and what agents report, and nothing else: an implementation can stand in front of a real controller. The
// simulation (simulation.h) calls it from one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace truce::lab::fleet {

// In the order of v1::Resource from RESOURCE_CPU on: cpu, llc, memory bandwidth, memory, disk, network.
inline constexpr size_t kEffects = 6;
using Effects = std::array<double, kEffects>;

enum class WorkloadClass : uint8_t { kCritical, kStandard, kBestEffort };
inline constexpr size_t kClasses = 3;

// Hosts are numbered from 0, in the order in which they are told of.
struct HostFacts {
  double cpus = 0;
  double memory_gib = 0;
  // What fails together.
  int32_t domain = 0;
};

// A workload that is to run somewhere.
struct Request {
  int64_t workload = 0;
  int32_t application = 0;
  WorkloadClass workload_class = WorkloadClass::kStandard;
  // Its flavour: what it may use at most.
  double cpus = 0;
  double memory_gib = 0;
  // Workloads of one group are on different hosts, and on hosts of `spread` domains at least (or of as many as there
  // are workloads in it); -1: none.
  int64_t group = -1;
  int32_t spread = 1;
};

// What an agent's model says of a workload (v1.Signature, resources), by resource: what an average neighbour would
// suffer from it, and it from an average neighbour, as fractions, if the one that hurts used all of the host's CPUs.
struct Signature {
  Effects hurts{};
  Effects suffers{};
  // What average workloads do to each other, as the model knows it.
  Effects usual{};
};

struct WorkloadReport {
  int64_t workload = 0;
  // Used in the last interval, and the 95th percentile of what it is foretold to use in the next hour.
  double cpu_cores = 0;
  double cpu_p95_cores = 0;
  double memory_gib = 0;
  // Only in reports for which it was made anew.
  std::optional<Signature> signature;
};

// Of one host, every interval.
struct HostReport {
  size_t host = 0;
  // Over the last hour; memory is steady.
  double cpu_mean_cores = 0;
  double cpu_stddev_cores = 0;
  double memory_gib = 0;
  std::vector<WorkloadReport> workloads;
};

struct Move {
  int64_t workload = 0;
  size_t from = 0;
  size_t to = 0;
  bool operator==(const Move&) const = default;
};

struct MoveBudget {
  int32_t most_moves = 0;
};

// Between two reports of a host.
inline constexpr double kReportSeconds = 300;

class Placer {
 public:
  virtual ~Placer() = default;
  virtual std::string_view name() const = 0;

  // Once, before everything else.
  virtual void OnHosts(const std::vector<HostFacts>& hosts) = 0;
  // It runs on that host from now on, after Place or a move of Rebalance; and it has ended.
  virtual void OnArrival(const Request& request, size_t host) = 0;
  virtual void OnMoved(const Move& move) = 0;
  virtual void OnDeparture(int64_t workload) = 0;
  // Of every host, in their order, once a step.
  virtual void OnReport(const HostReport& report) = 0;

  // A host for it; nullopt when no host may take it now. An error ends the simulation.
  virtual absl::StatusOr<std::optional<size_t>> Place(const Request& request) = 0;
  // What to move now, one after the other; asked every hour. None by default: most schedulers never move what runs.
  virtual absl::StatusOr<std::vector<Move>> Rebalance(const MoveBudget&) { return std::vector<Move>(); }
};

}  // namespace truce::lab::fleet
