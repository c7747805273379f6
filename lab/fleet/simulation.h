// Runs one policy through a world, step by step: who ends, who comes, what the policy moves, what all of them ask for
// and suffer, what agents report.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "lab/fleet/agents.h"
#include "lab/fleet/outcome.h"
#include "lab/fleet/placer.h"
#include "lab/fleet/truth.h"
#include "lab/fleet/world.h"

namespace truce::lab::fleet {

struct SimulationOptions {
  // May differ from the world's; its workloads stay as they are.
  size_t hosts = 0;
  // Of the workloads that run, each hour.
  double move_ratio = 0.02;
  // Set by another thread to end it.
  const std::atomic<bool>* stop = nullptr;
};

class Simulation {
 public:
  // All outlive it. `knowledge` is what the agents' model says.
  Simulation(const World& world, const Knowledge& knowledge, const SimulationOptions& options, Placer& placer);

  // Once. Cancelled when it was stopped; Internal, with the policy's name, when it answers with a host or a move that
  // there is not; else what the policy failed with.
  absl::StatusOr<Outcome> Run();

  // Where workloads are, by host, for tests.
  const std::vector<std::vector<int64_t>>& on() const { return on_; }

 private:
  static constexpr int32_t kNowhere = -1;

  void EndLives(int32_t step);
  absl::Status PlaceWaiting(int32_t step);
  absl::Status Rebalance();
  void Put(int64_t life, size_t host);
  void Take(int64_t life);
  // What happens in the step, counted if it is not of the warm-up.
  void Pass(int32_t step);
  void CountHost(size_t host, double demand_cores, const std::vector<Suffering>& sufferings);
  // Counts workload-time of groups that break their rules.
  void CountGroups();

  const World& world_;
  const SimulationOptions options_;
  Placer& placer_;
  const std::vector<HostFacts> hosts_;
  Agents agents_;
  HostTruth truth_;
  Outcome outcome_;
  // By host, in the order of their coming; by life.
  std::vector<std::vector<int64_t>> on_;
  std::vector<int32_t> host_of_;
  // Who moved in this step, and what that costs it.
  absl::flat_hash_map<int64_t, double> moving_;
  std::deque<int64_t> waiting_;
  // Lives by their end.
  std::vector<std::vector<int64_t>> ending_;
  absl::flat_hash_map<int64_t, std::vector<int64_t>> groups_;
  size_t next_ = 0;
  bool counts_ = false;
  double used_share_ = 0;
  double hosts_used_ = 0;
};

}  // namespace truce::lab::fleet
