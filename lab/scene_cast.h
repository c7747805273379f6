// Who plays in the scene: a redis-server with its client, and stress-ng, each in a cgroup of its own. Ends and removes
// everything when it goes. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lab/keep_awake.h"
#include "lab/redis_load.h"
#include "src/base/child_process.h"
#include "src/host/cgroup.h"
#include "src/host/scratch_cgroups.h"

namespace truce::lab {

class SceneCast {
 public:
  // Makes both cgroups and starts redis. With `apart`, each has one half of the CPUs for itself. FailedPrecondition
  // when there are no cgroups to be made, or not CPUs enough. What this host lacks and the scene can do without is said
  // in `missing`.
  static absl::StatusOr<std::unique_ptr<SceneCast>> Create(const std::string& cgroup_root, bool apart,
                                                           std::string* missing);
  ~SceneCast();

  // Workload names: the cgroups' paths.
  const std::string& victim() const { return victim_; }
  const std::string& aggressor() const { return aggressor_; }
  // Of a directory that lives as long as the cast.
  const std::string& directory() const { return directory_; }
  RedisLoad& load() { return *load_; }

  absl::Status StartAggressor();
  void StopAggressor() { stress_.reset(); }
  // stress-ng's threads.
  int workers() const { return workers_; }
  // CPU use of the aggressor since the last call.
  double AggressorCores();
  // Every control file of both workloads with its content.
  std::vector<std::string> Controls() const;
  // Ends both and removes their cgroups and the directory; OK when that was done already.
  absl::Status CleanUp();

 private:
  SceneCast() = default;
  absl::Status MakeCgroups(const std::string& cgroup_root, bool apart, std::string* missing);
  absl::Status StartVictim();

  std::string directory_;
  std::optional<host::CgroupLayout> layout_;
  std::optional<host::ScratchCgroups> cgroups_;
  // Alone, redis would pay for waking up a CPU at each request: up to hundreds of milliseconds on a busy hypervisor.
  std::optional<KeepAwake> awake_;
  std::unique_ptr<host::Cgroup> aggressor_cgroup_;
  std::string victim_;
  std::string aggressor_;
  int workers_ = 0;
  std::optional<ChildProcess> redis_;
  std::unique_ptr<RedisLoad> load_;
  std::optional<ChildProcess> stress_;
  uint64_t aggressor_usage_us_ = 0;
  absl::Time aggressor_usage_at_;
};

}  // namespace truce::lab
