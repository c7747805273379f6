// Keeps CPUs from going to sleep, with work that everybody else's comes before. A CPU that sleeps takes time to wake
// up, in a virtual machine up to milliseconds; a victim that runs alone would pay that at each request, and a neighbour
// that keeps the CPU awake would seem to help it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/base/child_process.h"
#include "src/host/scratch_cgroups.h"

namespace truce::lab {

// Ends with its object. Not thread-safe.
class KeepAwake {
 public:
  // One process per CPU in the cgroup "keep-awake", which yields to every other; `cgroups` outlives this. What keeps a
  // process from starting is told in `log`, and by Check.
  static absl::StatusOr<KeepAwake> Start(host::ScratchCgroups& cgroups, const std::vector<int>& cpus,
                                         const std::string& log);
  // Unavailable when a process has ended.
  absl::Status Check();
  // Ends the processes and drops the cgroup.
  absl::Status Stop();

  const std::vector<ChildProcess>& processes() const { return processes_; }

 private:
  KeepAwake(host::ScratchCgroups& cgroups, std::string log) : cgroups_(&cgroups), log_(std::move(log)) {}
  host::ScratchCgroups* cgroups_;
  std::string log_;
  std::vector<ChildProcess> processes_;
};

}  // namespace truce::lab
