// A program that runs in a cgroup of its own, on CPUs of its own choice, and is measured all the time. Not thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lab/meter.h"
#include "lab/program.h"
#include "src/base/child_process.h"
#include "src/base/shutdown.h"
#include "src/host/file.h"
#include "src/host/scratch_cgroups.h"

namespace truce::lab {

// How hard it is driven: without rest, or resting 1.5 times as long as it worked (about 40 % of the time busy), with
// one thread and one connection.
enum class Load { kHigh, kLow };
std::string_view LoadName(Load load);

struct RunOptions {
  Load load = Load::kHigh;
  std::vector<int> cpus;
  // Where its input is; scripts may write there. A directory for the run is made in it, and removed with it.
  std::string data_directory;
  // truce-lab-load, for programs that need a client.
  std::string load_tool;
};

// The last line of a log, for messages: what a program said before it ended.
std::string LastLine(const std::string& file);

class RunningProgram {
 public:
  // Makes the cgroup `child` of `cgroups` and starts the program in it. `program` and `cgroups` outlive it.
  static absl::StatusOr<std::unique_ptr<RunningProgram>> Start(const Program& program, const RunOptions& options,
                                                               host::ScratchCgroups& cgroups, const std::string& child);
  ~RunningProgram();

  // Reads what it printed. Call it several times a second. FailedPrecondition, with what it last said on stderr, when
  // it has ended: programs go on for ever.
  absl::Status Poll();
  // Stops it in its tracks, or lets it go on. Time in which it was stopped does not count for its operations.
  absl::Status SetPaused(bool paused);
  bool paused() const { return paused_since_.has_value(); }
  // Ends every process in its cgroup and removes it.
  absl::Status Stop();

  const Meter& meter() const { return meter_; }
  const Program& program() const { return program_; }
  const RunOptions& options() const { return options_; }
  // Its workload name: the cgroup's path.
  const std::string& workload() const { return workload_; }

 private:
  RunningProgram(const Program& program, const RunOptions& options, host::ScratchCgroups& cgroups, std::string child);
  absl::Status Launch();

  const Program& program_;
  const RunOptions options_;
  host::ScratchCgroups& cgroups_;
  const std::string child_;
  std::string workload_;
  std::string log_file_;
  std::string scratch_;
  Meter meter_;
  host::UniqueFd output_;
  std::unique_ptr<ChildProcess> process_;
  std::optional<absl::Time> paused_since_;
  bool stopped_ = false;
};

// Runs the program's setup for `data_directory` (absolute), where what it makes appears when it is whole. Once per
// program and directory is enough. Cancelled after a signal; nothing that it started is left.
absl::Status SetUp(const Program& program, const std::string& data_directory, ShutdownSignals& signals);

}  // namespace truce::lab
