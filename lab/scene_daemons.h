// The scene's controller and agent: certificates, configuration files, processes, and a client of the operator service.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "src/base/child_process.h"
#include "truce/v1/operator.pb.h"

namespace truce::lab {

// What the scene asks the controller each second.
struct SceneView {
  // The worst pair with the victim on the losing side; empty names when there is none.
  v1::PairScore worst;
  std::vector<v1::ActionStatus> actions;
  std::vector<v1::Decision> decisions;
  std::vector<v1::ReceiptRecord> receipts;
  bool agent_connected = false;
  v1::HostStatus host;
};

class SceneDaemons {
 public:
  virtual ~SceneDaemons() = default;
  // Asks the controller. Unavailable while it does not answer.
  virtual absl::StatusOr<SceneView> Look(const std::string& victim) = 0;
  // Puts a policy in force, on top of the one that is: rules of `allocations` are added.
  virtual absl::Status AddAllocations(const std::vector<v1::AllocationRule>& rules) = 0;
  // Events of these kinds about a workload since the daemons were started, oldest first; the newest thousand.
  virtual absl::StatusOr<std::vector<v1::Event>> Events(const std::string& workload,
                                                        const std::vector<std::string>& kinds) = 0;
  // What is known of one workload.
  virtual absl::StatusOr<v1::WorkloadStatus> Workload(const std::string& name) = 0;
  // Ends agent, then controller; returns the agent's exit status.
  virtual int Stop() = 0;
  // False when one of the daemons has died; `log` names its log file.
  virtual bool Healthy(std::string* log) = 0;
  // Shell lines that point trucectl at this controller.
  virtual std::string Environment() const = 0;
};

struct SceneDaemonsOptions {
  // For certificates, configuration, state and logs.
  std::string directory;
  // Where truce-agent and truce-controller are.
  std::string binaries;
  std::string cgroup_root;
  // Names (or patterns) of the workloads that the agent watches: a critical one, which may be left out, and one of best
  // effort, on which actions are enforced.
  std::string victim;
  std::string aggressor;
  // What scores are made from: a value of the agent's score.from.
  std::string scores;
  // Without a model the agent goes on by evidence, and what it does would say nothing about the model: that is refused.
  bool needs_model = false;
};

// Makes certificates and configuration, starts both daemons (ports chosen by the kernel) and waits until the agent is
// connected. FailedPrecondition when a model is needed and the agent has none that it can use.
absl::StatusOr<std::unique_ptr<SceneDaemons>> StartSceneDaemons(const SceneDaemonsOptions& options);

}  // namespace truce::lab
