// truce-lab collect: measures what programs do to each other on this host. Programs meet in a chain, A with B, B with
// C, now and then with a guest. In a meeting everybody runs alone in turn while the others are stopped in their tracks,
// and all run together after each, over and over, so that what changes by itself cancels:
//
//   A | A + B | B | A + B | A | A + B | B | A + B | ...        a second each, up to four for long operations
//
// Seconds in which the hypervisor or somebody else took CPU time don't count, and a meeting goes on until enough do.
// Who meets next is the pair that met least, so a run that is stopped and begun again goes on where it was.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/base/shutdown.h"
#include "src/host/file.h"

namespace truce::lab {

struct CollectOptions {
  // Directory of program descriptions, and names to choose from it (all when empty).
  std::string programs;
  std::vector<std::string> only;
  std::string output = "truce-lab.db";
  // Input of the programs; kept, so that the next run need not make it again. Made with mode 0700; one that is there
  // must belong to the caller, and nobody else may write in it.
  std::string work_directory = "/var/lib/truce-lab";
  std::string procfs = "/proc";
  std::string sysfs = "/sys";
  std::string cgroup_root = "/sys/fs/cgroup";
  // CPUs that the programs run on; empty: all.
  std::string cpus;
  absl::Duration budget = absl::Minutes(30);
  // Seconds that each of two runs alone in a meeting, and half of those that both run together.
  int seconds = 6;
  // How long a newcomer runs before it is measured.
  absl::Duration settle = absl::Seconds(1);
  // Share of programs that run under high load.
  double high_load_ratio = 0.7;
  // Share of meetings that a third program joins.
  double triple_ratio = 0.15;
  // Share of chains that are run a second time, to know the noise.
  double repeat_ratio = 0.25;
  uint64_t seed = 1;
  // A second is quiet when the hypervisor took less of the CPUs' time, and others used fewer cores.
  double quiet_steal = 0.03;
  double quiet_others = 0.2;
  // Ends after so many meetings; 0: when the budget is used up.
  int most_meetings = 0;
  // truce-lab-load, for programs that need its client.
  std::string load_tool;
};

// Makes the directory with mode 0700, and keeps it from others as long as the result lives. PermissionDenied when one
// is there that somebody else owns or may write in: programs run as root in it and write where its names lead.
// AlreadyExists when another lab uses it.
absl::StatusOr<host::UniqueFd> PrepareWorkDirectory(const std::string& directory);

struct CollectResult {
  int meetings = 0;
  int triples = 0;
  int64_t samples = 0;
  // Programs that were left out, and why.
  std::vector<std::string> left_out;
};

// Measures until the budget is used up or a signal comes, whichever is first; what was measured by then is in the file.
// Progress goes to stderr. FailedPrecondition when nothing can be measured: no cpuset controller, fewer than two
// programs.
absl::StatusOr<CollectResult> Collect(const CollectOptions& options, ShutdownSignals& signals);

}  // namespace truce::lab
