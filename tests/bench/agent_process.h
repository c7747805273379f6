// A truce-agent that runs as a child with a configuration of its own, and what the kernel says that it costs.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace truce::bench {

// What a process costs.
struct ProcessCost {
  absl::Duration cpu_time;  // of all its threads, since it started
  double rss_bytes = 0;
  int threads = 0;
  int descriptors = 0;
};

class AgentProcess {
 public:
  // Starts `binary --config FILE` in a temporary directory that holds the file, the agent's state and its log.
  // `settings` is YAML; "state_directory" and "metrics.listen" are added.
  static absl::StatusOr<std::unique_ptr<AgentProcess>> Start(const std::string& binary, const std::string& settings);
  // SIGTERM, SIGKILL after 10 s, and the temporary directory goes.
  ~AgentProcess();
  AgentProcess(const AgentProcess&) = delete;
  AgentProcess& operator=(const AgentProcess&) = delete;

  // Aborted, with the end of the agent's log, when it has ended.
  absl::StatusOr<ProcessCost> Cost();
  // How many workloads the agent watches at the moment, as its /metrics says. Unavailable when it does not answer.
  absl::StatusOr<int> WatchedWorkloads() const;

 private:
  AgentProcess() = default;
  std::string LogTail() const;

  pid_t pid_ = -1;
  int port_ = 0;
  std::string directory_;
};

}  // namespace truce::bench
