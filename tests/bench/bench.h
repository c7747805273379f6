// What the subcommands of truce-bench share. main.cc parses and shows; each subcommand fills a table.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/base/clock.h"
#include "src/base/figures.h"

namespace truce::bench {

// What a subcommand needs of its surroundings. `stop` becomes true on SIGINT and SIGTERM: clean up and return
// Cancelled.
struct Surroundings {
  const Clock* clock = nullptr;
  const std::atomic<bool>* stop = nullptr;
  std::ostream* messages = nullptr;
  std::string cgroup_root = "/sys/fs/cgroup";
};

// Sleeps, but not on after `stop`; false when it was cut short.
bool SleepUnlessStopped(const Surroundings& surroundings, absl::Duration duration);

// What was measured, with lines that say on what.
struct BenchResult {
  std::vector<std::string> notes;
  FigureTable table;
};

struct SwitchBenchOptions {
  int repeats = 12;
  // Of one measurement without the governor, and of one with it, which must span duty cycles.
  absl::Duration window = absl::Milliseconds(200);
  absl::Duration governed_window = absl::Seconds(4);
  double budget_ratio = 0.005;
};
// Cost of a context switch between two counted cgroups: without Truce, with counters always on at the dearest level,
// and with the governor.
absl::StatusOr<BenchResult> RunSwitchBench(const SwitchBenchOptions& options, const Surroundings& surroundings);

struct AgentBenchOptions {
  std::vector<int> workloads = {10, 100, 1000};
  std::vector<std::string> pmu = {"on", "off"};
  absl::Duration warm_up = absl::Seconds(8);
  absl::Duration window = absl::Seconds(20);
  std::string agent;  // path of the truce-agent binary
};
// What an agent costs that watches so many really existing cgroups.
absl::StatusOr<BenchResult> RunAgentBench(const AgentBenchOptions& options, const Surroundings& surroundings);

struct PredictBenchOptions {
  std::vector<int> workloads = {10, 100, 1000};
  int repeats = 30;
  std::string model;  // path of the interference model
};
// Time of one tick of inference with all pairs, and of the same by running the whole network for each pair.
absl::StatusOr<BenchResult> RunPredictBench(const PredictBenchOptions& options, const Surroundings& surroundings);

struct ForecastBenchOptions {
  int series = 1000;
  // Values of each that came before, and those whose forecasts are timed.
  int history = 300;
  int steps = 60;
  std::string model;  // path of the demand model
};
// What a forecast costs each layer, in time and memory, and what those of 1,000 workloads cost an agent.
absl::StatusOr<BenchResult> RunForecastBench(const ForecastBenchOptions& options, const Surroundings& surroundings);

struct ChurnBenchOptions {
  absl::Duration duration = absl::Minutes(10);
  // Made and removed in that time.
  int cgroups = 2000;
};
// Cgroups that come and go under actions: what leaks, and what goes wrong.
absl::StatusOr<BenchResult> RunChurnBench(const ChurnBenchOptions& options, const Surroundings& surroundings);

struct PlaceBenchOptions {
  int hosts = 10'000;
  int workloads = 200'000;
  // Questions through gRPC that are under way at a time.
  int under_way = 8;
  // Of each measurement.
  absl::Duration window = absl::Seconds(10);
  // The optimizer's, with twenty workloads a host.
  int rebalance_hosts = 1000;
  absl::Duration rebalance_time = absl::Seconds(10);
};
// Placement queries: how many a second, how long each takes, and what the fleet takes of memory. Then what the optimizer
// makes of a fleet of which some hosts are crowded.
absl::StatusOr<BenchResult> RunPlaceBench(const PlaceBenchOptions& options, const Surroundings& surroundings);
// The second half alone: adds to `result`.
absl::Status RunRebalanceBench(const PlaceBenchOptions& options, const Surroundings& surroundings, BenchResult* result);

}  // namespace truce::bench
