// The scene's controller and agent: certificates, configuration files, processes, and a client of the operator service.
#pragma once

#include <memory>
#include <optional>
#include <string>

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
  // Ends agent, then controller; returns the agent's exit status.
  virtual int Stop() = 0;
  // False when one of the daemons has died; `log` names its log file.
  virtual bool Healthy(std::string* log) = 0;
  // Shell lines that point trucectl at this controller.
  virtual std::string Environment() const = 0;
};

// Makes certificates and configuration in `directory`, starts both daemons (ports chosen by the kernel) and waits until
// the agent is connected. The agent watches the two workloads `victim` (critical) and `aggressor` (best effort,
// enforced).
absl::StatusOr<std::unique_ptr<SceneDaemons>> StartSceneDaemons(const std::string& directory,
                                                                const std::string& binaries,
                                                                const std::string& cgroup_root,
                                                                const std::string& victim,
                                                                const std::string& aggressor);

}  // namespace truce::lab
