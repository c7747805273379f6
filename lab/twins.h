// Two workloads that run the same program side by side, each in a cgroup of its own, under a controller and an agent of
// their own: what is done to one of them shows beside the other. Not thread-safe.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lab/scene_daemons.h"
#include "src/base/child_process.h"
#include "src/host/cgroup.h"
#include "src/host/scratch_cgroups.h"

namespace truce::lab {

struct TwinsOptions {
  // "truce-allocate-": what cgroups and directories are called, together with the process id.
  std::string prefix;
  // Where truce-agent and truce-controller are.
  std::string binaries;
  std::string cgroup_root;
  // Their cgroups' names.
  std::array<std::string, 2> names;
};

class Twins {
 public:
  // Makes the cgroups and a directory below /tmp, and starts both daemons, which may act on best effort.
  static absl::StatusOr<std::unique_ptr<Twins>> Create(const TwinsOptions& options);
  ~Twins();

  // Starts the shell's `script` in the cgroup of one of them; what it prints goes to log_file(which).
  absl::Status Start(size_t which, const std::string& script);
  // Internal when a program or a daemon has ended, with what it last said.
  absl::Status Check();
  // Ends and removes everything; how many control files were not as before, once the daemons had ended.
  absl::StatusOr<int> Finish();

  SceneDaemons& daemons() { return *daemons_; }
  const host::CgroupLayout& layout() const { return *layout_; }
  // The workload's name: its cgroup's path.
  const std::string& workload(size_t which) const { return twins_[which].workload; }
  const std::string& name(size_t which) const { return options_.names[which]; }
  std::string log_file(size_t which) const { return directory_ + "/" + options_.names[which] + ".log"; }
  const std::string& directory() const { return directory_; }

 private:
  struct Twin {
    std::string workload;
    std::optional<ChildProcess> program;
    std::vector<std::string> controls_before;
  };
  explicit Twins(const TwinsOptions& options) : options_(options) {}
  absl::Status SetUp();
  absl::Status CleanUp();

  const TwinsOptions options_;
  std::optional<host::CgroupLayout> layout_;
  std::optional<host::ScratchCgroups> cgroups_;
  std::string directory_;
  std::array<Twin, 2> twins_;
  std::unique_ptr<SceneDaemons> daemons_;
};

}  // namespace truce::lab
