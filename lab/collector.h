// How truce-lab collect works inside (collect.h): the programs that run now, the windows that are measured, the chain
// of meetings. Not thread-safe.
//
//   collect.cc         what to measure with: programs, CPUs, cgroups, the data set; progress
//   collect_stage.cc   who runs: start, watch, measure, finish
//   collect_chain.cc   who meets whom, and what is kept of it
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lab/chain.h"
#include "lab/collect.h"
#include "lab/dataset.h"
#include "lab/observer.h"
#include "lab/program.h"
#include "lab/running_program.h"
#include "src/base/shutdown.h"
#include "src/host/cgroup.h"
#include "src/host/counters.h"
#include "src/host/scratch_cgroups.h"

namespace truce::lab {

// A program that runs, with what was seen of it.
struct Life {
  Setting setting;
  std::unique_ptr<RunningProgram> program;
  DatasetLife record;
};

// Part of a meeting; its members' speeds are known once the operations that were under way have ended.
struct Window {
  struct Second {
    absl::Time end;
    double steal = 0;
    double busy_cores = 0;
    double member_cores = 0;
  };
  // Who runs; everybody else stands still.
  std::vector<Life*> members;
  absl::Time begin;
  absl::Time end;
  std::vector<Second> seconds;
  // Those in which hypervisor and others left the CPUs alone.
  std::vector<Second> Quiet(const CollectOptions& options) const;
};

class Collector {
 public:
  Collector(const CollectOptions& options, ShutdownSignals& signals) : options_(options), signals_(signals) {}
  absl::StatusOr<CollectResult> Run();

 private:
  absl::Status Prepare();
  absl::Status ChooseCpus();
  absl::Status ChoosePrograms();
  // Runs chains until it is over; FailedPrecondition when too few programs are left.
  absl::Status RunChains();
  // One chain from the first program to the last.
  absl::Status RunChain(const Stretch& stretch);
  // One link: `current` meets the newcomer, which is returned, and perhaps a guest.
  absl::StatusOr<Life*> Meet(Life* current, const Meeting& meeting);
  // Rounds of everybody alone in turn, and all together after each, until enough of it was quiet.
  absl::Status RunRounds(const std::vector<Life*>& members);
  // Cancelled, Aborted (a program ended by itself, which was told and counted) or DataLoss end a meeting.
  absl::StatusOr<Life*> Start(const Setting& setting);
  absl::Status Finish(Life* life);
  // Everybody, whatever happens to one of them; the first error. What they gathered is kept.
  absl::Status FinishAll();
  // Waits and samples; Cancelled on a signal or when the budget is used up.
  absl::Status Wait(absl::Duration duration, Window* window);
  // Until the next sample was taken.
  absl::Status WaitForTick(Window* window);
  absl::Status WaitForFirstOperation(const Life& life);
  // Until what was under way at `end` has ended, so that the window's last operations count.
  absl::Status WaitForLastOperations(absl::Time end);
  void Tick(Window* window);
  // Lets only `members` run, for so many seconds.
  absl::StatusOr<Window> Measure(const std::vector<Life*>& members, int seconds);
  absl::Status Keep(const Window& window, int64_t meeting);
  void Fail(size_t program, const absl::Status& why);
  void ShowProgress(bool last);
  absl::Status Over();

  const CollectOptions options_;
  ShutdownSignals& signals_;
  // The work directory is this lab's alone.
  host::UniqueFd lock_;
  std::vector<Program> programs_;
  std::vector<int> failures_;
  std::vector<int> cpus_;
  std::optional<host::CgroupLayout> layout_;
  std::optional<host::ScratchCgroups> cgroups_;
  std::unique_ptr<host::CounterService> counters_;
  std::unique_ptr<Observer> observer_;
  std::unique_ptr<Dataset> dataset_;
  std::unique_ptr<Chain> chain_;
  std::vector<std::unique_ptr<Life>> lives_;
  absl::Time begin_;
  absl::Time end_;
  absl::Time next_tick_;
  absl::Time shown_;
  int next_child_ = 1;
  CollectResult result_;
};

}  // namespace truce::lab
