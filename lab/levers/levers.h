// truce-lab levers: every lever of the agent on a real pair of programs that contend for what it bounds. What the
// victim feels alone, beside the aggressor, and with the lever on that; what the aggressor keeps; and whether every
// control file is afterwards what it was.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lab/levers/pair.h"
#include "src/base/figures.h"
#include "src/base/shutdown.h"

namespace truce::lab {

struct LeversOptions {
  // Names of pairs; empty: all.
  std::vector<std::string> only;
  std::string pairs;
  int rounds = 3;
  std::string work_directory = "/var/lib/truce-lab";
  std::string procfs = "/proc";
  std::string sysfs = "/sys";
  std::string cgroup_root = "/sys/fs/cgroup";
  std::string run_directory = "/run";
  // Of each round: the victim alone, beside the aggressor, and with the lever once it has taken hold.
  absl::Duration alone = absl::Seconds(4);
  absl::Duration beside = absl::Seconds(5);
  absl::Duration taking_hold = absl::Seconds(3);
};

// One round of one pair. Times are of the victim's operations, in seconds; rates of the aggressor's, per second.
struct LeverRound {
  double alone = 0;
  double beside = 0;
  double with_lever = 0;
  double aggressor_before = 0;
  double aggressor_with_lever = 0;
  // Whether the control files of both are afterwards byte for byte what they were.
  bool as_before = false;
};

struct LeverOutcome {
  LeverPair pair;
  std::vector<LeverRound> rounds;
  // Why there are none: what the host lacks,
  std::string left_out;
  // or what went wrong.
  std::string failed;
};

// Runs them, with progress on stderr. Cancelled after a signal. Everything that was made is gone afterwards.
absl::StatusOr<std::vector<LeverOutcome>> TryLevers(const LeversOptions& options, ShutdownSignals& signals);

// Four lines a lever: the victim beside the aggressor and with the lever, as a multiple of alone; what the aggressor
// kept; whether every file was what it was after each round (1) or not (0).
FigureTable LeverFigures(const std::vector<LeverOutcome>& outcomes);

}  // namespace truce::lab
