// Whether a change of behaviour in a running program is reported, and nothing of one that goes on as it was: two
// workloads with the same program under real daemons, of which one begins to do something else.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/base/figures.h"
#include "src/base/shutdown.h"

namespace truce::lab {

struct LiveDriftOptions {
  // Where truce-agent and truce-controller are.
  std::string binaries;
  std::string cgroup_root = "/sys/fs/cgroup";
  // How long both do the same before one changes: its usual ways are learned in that time.
  absl::Duration learning = absl::Minutes(8);
  // How long the unchanged one is watched after that.
  absl::Duration unchanged = absl::Minutes(30);
};

struct LiveDriftOutcome {
  // From the change to the event's time; nullopt: it was not reported.
  std::optional<absl::Duration> reported_after;
  // What the event said.
  std::string message;
  // What was said of drifts of the unchanged one, and of the other before it changed.
  std::vector<std::string> false_alarms;
};

// Needs root and cgroups. Cancelled after a signal; everything that it started is ended.
absl::StatusOr<LiveDriftOutcome> RunLiveDrift(const LiveDriftOptions& options, ShutdownSignals& signals);

FigureTable LiveDriftFigures(const LiveDriftOutcome& outcome);

}  // namespace truce::lab
