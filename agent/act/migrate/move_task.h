// One step of a migration as its driver carries it out, on a thread of its own: the driver calls that belong together,
// and the looks around them that keep the workload from running twice.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "agent/act/migrate/driver.h"
#include "src/host/cgroup.h"

namespace truce::agent {

enum class MoveTask : uint8_t {
  kRecall,   // source: CanMove, Recall
  kMove,     // source: Move
  kPlan,     // target: Plan
  kReserve,  // target: Reserve
  kLook,     // Look
  // Target, when nobody orders anything any more: Look; what runs is kept, else Drop.
  kWithdraw,
  // Source: Look; what runs is never removed; Leave, Look. Target: Settle, Look.
  kFinish,
  // Source: Look; Resume what is stopped, Look again. Target: Look; what runs is never dropped; Drop, Look.
  kRollBack,
};

// What a task needs.
struct MoveTaskInput {
  MoveTask task = MoveTask::kLook;
  std::shared_ptr<MigrationDriver> driver;
  v1::MigrationOrder order;
  // Of the plan, for kReserve.
  DriverMemory memory;
  // kRecall: the workload, and its cgroup held for this alone.
  Movable workload;
  std::unique_ptr<host::Cgroup> cgroup;
};

struct MoveTaskResult {
  absl::Status status;
  // kRecall, kPlan, kReserve.
  DriverMemory memory;
  // kReserve.
  std::string endpoint;
  // kMove.
  MoveOutcome outcome;
  // Where it stands after kLook, kWithdraw, kFinish and kRollBack, as far as it was looked at.
  Presence presence;
};

// Does the task, on the caller's thread.
MoveTaskResult RunMoveTask(MoveTaskInput& input, MoveControl& control);

// The task on its thread. The thread that made it asks for it.
class MoveTaskThread {
 public:
  explicit MoveTaskThread(MoveTaskInput input, bool cancelled = false);
  // Waits for its end.
  ~MoveTaskThread();
  MoveTaskThread(const MoveTaskThread&) = delete;
  MoveTaskThread& operator=(const MoveTaskThread&) = delete;

  MoveTask task() const { return task_; }
  MoveControl& control() { return state_->control; }
  const MoveControl& control() const { return state_->control; }
  bool done() const { return state_->done.HasBeenNotified(); }
  // Waits at most so long for it to be done; whether it is.
  bool WaitFor(absl::Duration patience) const { return state_->done.WaitForNotificationWithTimeout(patience); }
  // Once, when it is done.
  MoveTaskResult Take();
  // Leaves the thread to itself: it keeps what it needs.
  void Abandon();

 private:
  struct State {
    MoveTaskInput input;
    MoveControl control;
    MoveTaskResult result;
    absl::Notification done;
  };
  const MoveTask task_;
  std::shared_ptr<State> state_;
  std::thread thread_;
};

}  // namespace truce::agent
