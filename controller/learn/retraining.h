// History, schedule and child of retraining as one: what ControllerCore (controller/serve) owns of it. A plain state
// machine but for the child, which runs beside it; not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "controller/learn/demand_history.h"
#include "controller/learn/retrainer.h"
#include "controller/learn/retraining_schedule.h"

namespace truce::controller {

struct RetrainingOptions {
  RetrainerOptions retrainer;
  RetrainingScheduleOptions schedule;
  DemandHistoryOptions history;
};

class Retraining {
 public:
  // Rows of history that are copied and stored at once; the rest comes with the next tick.
  static constexpr size_t kBlocksAtOnce = 25;

  // Without options nothing is kept and nothing trained. `now` never goes back, as all of them here.
  Retraining(const std::optional<RetrainingOptions>& options, absl::Duration now);

  // As DemandHistory has them.
  void Restore(const v1::DemandBlock& block, absl::Time now);
  void Observe(const HostState& host, Moment now);
  std::vector<v1::DemandBlock> TakeBlocks();

  // Once a second: begins a training that is due, and says what came of one that ended.
  std::optional<RetrainingNews> Follow(absl::Duration now);
  // The model that a training found to be better, once: what is to be sent to hosts.
  std::optional<Challenger> TakeChallenger();
  // The model that hosts have in use, to be tuned next; without it the best that retraining has made so far, or the one
  // that comes with Truce.
  void SetChampion(std::optional<std::string> bytes) { champion_ = std::move(bytes); }
  // The best that it has made so far did not prove itself on hosts, or was tried on none.
  void ForgetBest() const { retrainer_.ForgetBest(); }
  // Its error on hosts has risen.
  void OnErrorRose(absl::Duration now);

  const DemandHistory& history() const { return history_; }
  const RetrainingSchedule& schedule() const { return schedule_; }

 private:
  const bool enabled_;
  DemandHistory history_;
  RetrainingSchedule schedule_;
  absl::Duration step_;
  std::optional<std::string> champion_;
  std::optional<Challenger> challenger_;
  // Last: it ends first.
  Retrainer retrainer_;
};

}  // namespace truce::controller
