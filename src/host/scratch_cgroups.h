// Cgroups that a tool makes for itself, in every tree that the host has, and removes again: the scene of the quick
// start, benchmarks, the lab. Never used by the daemons.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/host/cgroup.h"

namespace truce::host {

// Removes what it made when it goes out of scope. Not thread-safe.
class ScratchCgroups {
 public:
  // Makes the cgroup `name` (one path element) at the top of every tree. On a v2 tree the cpu, cpuset, memory and io
  // controllers are switched on for its children, on the way down from the root where need be; what was switched on at
  // the root is switched off again at the end. AlreadyExists when somebody has a cgroup of that name. `layout` outlives
  // this.
  static absl::StatusOr<ScratchCgroups> Create(const CgroupLayout& layout, const std::string& name);
  // Ends and removes what a tool left behind that was killed: cgroups at the top of the trees that are called `prefix`
  // and the id of a process that is gone. What was frozen in them would stay so for good.
  static absl::Status RemoveAbandoned(const CgroupLayout& layout, const std::string& prefix);
  ~ScratchCgroups();
  ScratchCgroups(ScratchCgroups&& other) noexcept;
  ScratchCgroups& operator=(ScratchCgroups&&) = delete;

  // Makes name/child in every tree, and returns its path below the trees' roots.
  absl::StatusOr<std::string> Add(const std::string& child);
  // Moves a process (0: the caller) into name/child in every tree.
  absl::Status Enter(const std::string& child, int pid) const;
  // Gives name/child `cpus` times the CPU weight of an ordinary cgroup, as an orchestrator does for a container that
  // asks for so many CPUs.
  absl::Status SetCpuWeight(const std::string& child, int cpus) const;
  // Gives name/child the smallest CPU weight that there is.
  absl::Status SetLeastCpuWeight(const std::string& child) const;
  // Gives name/child CPU time that nobody else wants only; on a kernel without cpu.idle (before 5.15), the smallest
  // weight.
  absl::Status SetIdle(const std::string& child) const;
  // Lets name/child use so many cores; without a value, as many as there are.
  absl::Status SetCpuQuota(const std::string& child, std::optional<double> cores) const;
  // Bounds what all children use together, page cache included. FailedPrecondition when no tree has the memory
  // controller.
  absl::Status SetMemoryLimit(uint64_t bytes) const;
  // Confines name/child to these CPUs. FailedPrecondition when no tree has the cpuset controller.
  absl::Status SetCpus(const std::string& child, const std::vector<int>& cpus) const;
  // Stops every process in name/child, or lets them go on: with the v2 tree's freezer, and with signals where there is
  // none (which misses processes that are made at that moment).
  absl::Status SetFrozen(const std::string& child, bool frozen) const;
  // Kills every process in name/child and removes it. DeadlineExceeded when some won't go.
  absl::Status EndAndDrop(const std::string& child);
  // The child's control files that Truce may change, one "name: content" each, for a comparison before and after.
  std::vector<std::string> SnapshotControls(const std::string& child) const;
  // Removes everything now. Processes still inside must be gone. The destructor does the same and ignores errors.
  absl::Status Remove();

 private:
  explicit ScratchCgroups(const CgroupLayout& layout, std::string name) : layout_(&layout), name_(std::move(name)) {}
  absl::Status MakeIn(const Hierarchy& hierarchy, const std::string& path) const;
  absl::Status SwitchOnControllers(const Hierarchy& hierarchy);
  absl::Status WriteCpu(const std::string& child, std::string_view v2_file, const std::string& v2_text,
                        std::string_view v1_file, const std::string& v1_text) const;
  std::string Full(const Hierarchy& hierarchy, const std::string& path) const;

  const CgroupLayout* layout_;
  std::string name_;
  std::vector<std::string> children_;
  // Controllers that were off in the v2 root's cgroup.subtree_control.
  std::vector<std::string> switched_on_;
};

}  // namespace truce::host
