// truce-lab protect: real victims beside real aggressors, with nothing done about it, with Truce by evidence and by
// model or both, and with what others do: a static low CPU weight for best effort, and dropping the aggressor to a
// minimum from which it regains slowly (as Intel's platform resource manager does).
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "lab/protect/record.h"
#include "src/base/shutdown.h"

namespace truce::lab {

struct ProtectOptions {
  // Names of programs (lab/program.h).
  std::vector<std::string> victims = {"redis-bitcount", "nginx", "sqlite-select",
                                      "python-objects", "zstd",  "numpy-fft"};
  std::vector<std::string> aggressors = {"stress-matrix", "stress-stream", "stress-fork", "x264", "xz", "dd-write"};
  std::vector<Policy> policies = Policies();
  int runs = 3;
  // Bouts that are in it already are not fought again.
  std::string output = "truce-protect.tsv";
  std::string programs;
  std::string work_directory = "/var/lib/truce-lab";
  // Where truce-agent and truce-controller are, and truce-lab's client of servers.
  std::string binaries;
  std::string load_tool;
  std::string procfs = "/proc";
  std::string sysfs = "/sys";
  std::string cgroup_root = "/sys/fs/cgroup";
  // Of each bout: first the victim alone; then beside the aggressor, until what is done about it has taken hold, which
  // is at once where that is fixed from the start.
  absl::Duration alone = absl::Seconds(3);
  absl::Duration taking_hold = absl::Seconds(13);
  absl::Duration at_once = absl::Seconds(4);
  // Then it is measured: by turns alone, while the aggressor is stopped, and beside it. A machine may become faster or
  // slower by half within a minute.
  int rounds = 2;
  absl::Duration stopped = absl::Seconds(1);
  absl::Duration beside = absl::Seconds(2);
  // What the agent is given to learn what is usual.
  absl::Duration learning = absl::Seconds(16);
};

// What all bouts of one file have in common: the machine, the version of Truce, the model beside the binaries.
std::string DescribeSetting(const ProtectOptions& options);

// Fights all bouts that are missing; progress goes to stderr, results to `output`. Cancelled after a signal.
// FailedPrecondition when programs, cgroups, daemons or a model that scores are to come from are missing; Unavailable
// when a daemon dies on the way.
absl::Status Protect(const ProtectOptions& options, ShutdownSignals& signals);

}  // namespace truce::lab
