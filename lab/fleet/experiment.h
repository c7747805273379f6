// truce-lab fleet: every policy on the same hosts with the same workloads, and the fewest hosts on which ours does as
// well by critical workloads as the best of the others does on all of them.
#pragma once

#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "lab/fleet/outcome.h"
#include "lab/fleet/placer.h"
#include "lab/fleet/world.h"
#include "src/base/shutdown.h"

namespace truce::lab::fleet {

inline constexpr std::string_view kReal = "real";
inline constexpr std::string_view kPerfect = "perfect";

struct FleetOptions {
  WorldOptions world;
  // Worlds, of seeds world.seed, world.seed + 1, ...
  int seeds = 3;
  // Of PolicyNames(); empty: all.
  std::vector<std::string> policies;
  // kReal, kPerfect or both: what is known of interference to who asks for it.
  std::vector<std::string> knowledge = {std::string(kReal), std::string(kPerfect)};
  // CPUs that may be asked for on a host, against those that it has: for all policies.
  double overcommit = 2;
  // Workloads that may be moved each hour, of all: for all policies.
  double move_ratio = 0.02;
  int threads = 2;
};

// Those of others, ours, and ours without parts of it.
std::vector<std::string> PolicyNames();
// Whether what agents say of interference changes anything for it.
bool UsesSignatures(std::string_view policy);
struct PolicyOptions {
  double overcommit = 2;
  uint64_t seed = 1;
  // About how many run, and which part of them may be moved each hour: what a controller behind its API is configured
  // by.
  double workloads = 1'000;
  double move_ratio = 0.02;
};
// InvalidArgument for a name that is none, else what a controller can't be started for.
absl::StatusOr<std::unique_ptr<Placer>> MakePolicy(std::string_view name, const PolicyOptions& options);

// A policy's runs with one knowledge (empty where that does not matter), by seed.
struct Row {
  std::string policy;
  std::string knowledge;
  std::vector<Outcome> outcomes;
};

// By seed: the fewest hosts on which ours keeps mean and 99th percentile of critical workloads' slowdown at or below
// the least of the others' on all hosts, with no more workload-time waiting (0.1 % more counts as none).
struct FewestHosts {
  std::string knowledge;
  std::vector<double> hosts;
};

struct WorldFacts {
  double error = 0;
  ModelMarks real;
  ModelMarks perfect;
  MeetingFacts meetings;
};

struct FleetResult {
  FleetOptions options;
  std::vector<WorldFacts> worlds;
  std::vector<Row> rows;
  // Only when ours and any of the others ran.
  std::vector<FewestHosts> fewest;
};

// InvalidArgument for options that make no fleet, Cancelled after a signal. Main thread only.
absl::StatusOr<FleetResult> RunFleet(const FleetOptions& options, ShutdownSignals& signals, std::ostream& progress);

// Ours of this knowledge; nullptr when it did not run.
const Row* FindOurs(const FleetResult& result, std::string_view knowledge);
// Of the others, the least of each mark in the world of a seed; nullopt when none of them ran.
struct BestOfOthers {
  double mean = 0;
  double p99 = 0;
  double waiting_ratio = 0;
  std::string policy;  // of the least mean
};
std::optional<BestOfOthers> FindBest(const FleetResult& result, size_t seed);

}  // namespace truce::lab::fleet
