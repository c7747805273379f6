// A crowd of really existing workloads: cgroups in every tree of the host, each with a process that sleeps and now and
// then works a little. truce-bench agent makes one.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/bench/bench.h"

namespace truce::bench {

// Below one cgroup named for this process in each tree. Processes are killed and cgroups removed when it goes; what a
// killed truce-bench left is removed by the next one.
class Crowd {
 public:
  // PermissionDenied when the cgroup trees can't be written, Cancelled when stopped meanwhile.
  static absl::StatusOr<std::unique_ptr<Crowd>> Gather(int workloads, const Surroundings& surroundings);
  ~Crowd();
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  // Names the cgroup of all, below the trees' roots: "truce-bench-123".
  const std::string& name() const { return name_; }

 private:
  Crowd() = default;
  absl::Status Make(const std::string& path);
  absl::Status Populate(int workloads, const Surroundings& surroundings);

  std::string name_;
  std::vector<std::string> trees_;        // full paths of the trees' roots
  std::vector<std::string> directories_;  // every directory made, parents first
  std::vector<pid_t> processes_;
};

}  // namespace truce::bench
