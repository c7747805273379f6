// One host's podman as the podman driver sees it: its containers by their ids, frozen, thawed, restored and removed.
// Needs podman 4.0, whose inspect says whether a container is frozen or was restored.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/base/program.h"

namespace truce::agent {

struct PodmanContainer {
  bool exists = false;
  bool running = false;
  // Frozen by a checkpoint, and neither thawed nor started since.
  bool checkpointed = false;
  // It came from a checkpoint and ran here, whatever became of it since.
  bool restored = false;
  // podman removes it when it stops (--rm).
  bool removes_itself = false;
  std::string cgroup;
};

// Each call takes a minute or two at the longest, but Freeze. Thread-safe.
class Podman {
 public:
  Podman(std::string program, std::string procfs) : program_(std::move(program)), procfs_(std::move(procfs)) {}

  // One that is not there is no error. Unavailable when podman doesn't say.
  absl::StatusOr<PodmanContainer> Inspect(const std::string& id) const;
  // Freezes it into `file`, and returns when nobody is at it any more: podman's helpers would go on without podman, so
  // nothing of it is ended before `patience` is over. Internal when they don't come to an end then, after which
  // anything may become of the container; any other error says why it failed, and Inspect how it stands.
  absl::Status Freeze(const std::string& id, const std::string& file, absl::Duration patience) const;
  // Waits for a freeze that another process began, for a while; Unavailable when that goes on.
  absl::Status AwaitFreeze(const std::string& id) const;
  // Lets it run again as it was frozen here. FailedPrecondition when it is not frozen: what podman may still keep of an
  // older checkpoint is not what it was.
  absl::Status Thaw(const std::string& id) const;
  // Makes it from `file`, and lets it run.
  absl::Status Restore(const std::string& file) const;
  // Unless it runs: FailedPrecondition then.
  absl::Status Remove(const std::string& id) const;

 private:
  absl::StatusOr<ProgramResult> Run(std::vector<std::string> arguments, absl::Duration patience) const;
  // The same, where anything but exit code 0 is an error.
  absl::Status Do(std::vector<std::string> arguments, absl::Duration patience) const;
  // Whether some process freezes it, by its command line: podman, or the runtime that it started.
  bool IsBeingFrozen(const std::string& id) const;

  const std::string program_;
  const std::string procfs_;
};

}  // namespace truce::agent
