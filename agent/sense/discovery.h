// Finds the host's workloads in the cgroup tree by the operator's rules. Called by the sampler.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/host/cgroup.h"
#include "truce/v1/types.pb.h"

namespace truce::agent {

// What a rule says of the cgroups that it matches. The first rule that matches wins.
struct DiscoveryRule {
  // Path below the cgroup root. "*" stands for any characters but '/', "**" for any characters, "?" for one.
  std::string match;
  // Not a workload, and nothing below it is one.
  bool ignore = false;
  std::string kind = "custom";
  // Labels; "{name}" stands for the last path element without its unit suffix, "{parent}" for the element before it.
  std::string application = "{name}";
  std::string tenant;
  v1::WorkloadClass workload_class = v1::WORKLOAD_CLASS_STANDARD;
  int priority = 0;
  // Highest mode for these workloads, whatever the controller says; unspecified: the agent's ceiling.
  v1::Mode mode_ceiling = v1::MODE_UNSPECIFIED;
  // Levers that may be used on them; by default all but cpu_idle, under which a workload may get no CPU for long.
  std::vector<v1::Lever> levers = {v1::LEVER_CPU_PIN,        v1::LEVER_CPU_WEIGHT, v1::LEVER_CPU_QUOTA,
                                   v1::LEVER_MEMORY_SQUEEZE, v1::LEVER_DISK_CAP,   v1::LEVER_NETWORK_CAP,
                                   v1::LEVER_CACHE_CLASS};
};

// The rules that hold when the operator gives none: systemd services, Docker and Podman containers, Kubernetes pods,
// virtual machines and user slices.
std::vector<DiscoveryRule> DefaultDiscoveryRules();

// Whether `path` matches `pattern` as DiscoveryRule::match says.
bool MatchesGlob(std::string_view pattern, std::string_view path);

// One cgroup that a rule matched.
struct DiscoveredWorkload {
  std::string path;
  const DiscoveryRule* rule = nullptr;
  std::string application;
  std::string tenant;
};

// Walks the tree. A cgroup that matches a rule is a workload and everything below it is part of it, so the walk does
// not go deeper there.
class Discovery {
 public:
  Discovery(const host::CgroupLayout& layout, std::vector<DiscoveryRule> rules);
  // Workloads that are there now, sorted by path. A cgroup that goes away during the walk is not an error. A walk that
  // could not see everything (no descriptors left) is: what it found would make living workloads look gone. Cgroups
  // whose names are no UTF-8 can't be told of on the wire; they are left out, and counted in *unnamable.
  absl::StatusOr<std::vector<DiscoveredWorkload>> Walk(int* unnamable = nullptr) const;

 private:
  absl::Status WalkTree(const std::string& tree, const std::string& path, int depth,
                        std::map<std::string, DiscoveredWorkload>& found, std::set<std::string>& nameless) const;
  const host::CgroupLayout& layout_;
  const std::vector<DiscoveryRule> rules_;
};

}  // namespace truce::agent
