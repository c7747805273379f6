// Whether kubelet's static CPU manager rules the CPUs of pods here, and which of them it gave to one container alone.
// It keeps that in a file of its own (cpu_manager_state), sets the cpusets of all its containers from it, and sets them
// again every few seconds. Asked by the tick loop before an action.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace truce::agent {

struct KubeletCpus {
  // The static policy is in force.
  bool is_static = false;
  // Sorted; each belongs to one container.
  std::vector<int> exclusive;
};

// What such a file says. InvalidArgument when it is none.
absl::StatusOr<KubeletCpus> ParseKubeletCpus(const std::string& content);

// Not thread-safe.
class Kubelet {
 public:
  // `directory`: kubelet's, normally /var/lib/kubelet. Where there is none, or no such file, nothing is ruled.
  explicit Kubelet(const std::string& directory) : file_(directory + "/cpu_manager_state") {}

  // Reads the file when it has changed. One that can't be read or understood is told in `problem`, and what was known
  // before holds; while nothing was ever known, the policy counts as static. A pin that kubelet would fight is worse
  // than one that is not made.
  const KubeletCpus& Look();
  const absl::Status& problem() const { return problem_; }

 private:
  // Tells one content of the file from another without reading it.
  struct Stamp {
    int64_t inode = 0;
    int64_t size = 0;
    int64_t changed_ns = 0;
    bool operator==(const Stamp&) const = default;
  };
  const KubeletCpus& Learn(absl::StatusOr<KubeletCpus> cpus);

  const std::string file_;
  std::optional<Stamp> seen_;
  KubeletCpus cpus_;
  bool known_ = false;
  absl::Status problem_;
};

// Why the cgroup must not be pinned; empty when it may be.
std::string PinRefusal(const std::string& cgroup_path, const KubeletCpus& cpus);

}  // namespace truce::agent
