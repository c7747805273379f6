// Whether a quota that looks ahead is there before a burst: two workloads with the same bursts, side by side, one under
// a quota that follows what is foretold, the other under one that follows what was used.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/base/figures.h"
#include "src/base/shutdown.h"

namespace truce::lab {

struct AllocateOptions {
  // Where truce-agent and truce-controller are.
  std::string binaries;
  std::string cgroup_root = "/sys/fs/cgroup";
  absl::Duration period = absl::Seconds(60);
  absl::Duration burst = absl::Seconds(10);
  // Bursts that are not judged: nobody can know a rhythm before.
  int learning = 5;
  // Bursts after those.
  int bursts = 12;
};

// What one burst brought a workload.
struct BurstOutcome {
  // For how long before it began the quota allowed what it needs; negative: so long after.
  absl::Duration lead;
  // Time in which it was kept from running by its quota, summed over CPUs, from this burst's beginning to the next's.
  absl::Duration throttled;
};

struct AllocateOutcome {
  std::vector<BurstOutcome> foreseen;
  std::vector<BurstOutcome> reactive;
  // Control files that were not as before at the end.
  int changed_files = 0;
};

// Takes learning + bursts + 1 periods; needs root, cgroups with the cpu controller, and two CPUs. Cancelled after a
// signal; everything that it started is ended and restored.
absl::StatusOr<AllocateOutcome> RunAllocation(const AllocateOptions& options, ShutdownSignals& signals);

// "lead >= 5 s: share of bursts", with the target, and the rest.
FigureTable AllocationFigures(const AllocateOutcome& outcome);

}  // namespace truce::lab
