// The mover: takes orders, asks the guard, journals, has drivers do the steps, and says what came of them. Opened by
// OpenMover (mover.h); tests open it with a disk of their own.
//
//   live_mover.cc        the orders that come in and the statuses that go out
//   live_mover_steps.cc  what is done next for a migration
//   live_mover_ends.cc   what the end of a step leads to
//
// One migration, as its stage goes. In [brackets] the task on the migration's own thread; whatever is in CAPITALS comes
// from the controller; "unattended" is an order that ran out or that the desired set lacks.
//
//   target                                               source
//   RESERVE ─ guard ─► kPreparing [plan]                 MOVE ─ guard ─► kPreparing [recall]
//      journal ─► kReserving [reserve; failed: withdraw]    journal ─► kMoving [move]   hold, unattended, another
//      journal ─► kReserved                                                             step, guard: cancelled
//        VERIFY ─ journal ─► kArrived [look]                  moved, or nobody knows ─► kMoved
//        unattended [withdraw] ─► runs here: kArrived         cancelled or failed, and runs as before ─► kStayed
//                                 else: kDropped           VERIFY [look]
//   kReserved, kArrived                                    kMoved
//        FINISH [settle] ─► kSettled                          FINISH [leave, unless it runs here] ─► kLeft
//        ROLL_BACK [drop, unless it runs here] ─► kDropped    ROLL_BACK [look; resume what is stopped] ─► kResumed
//                                                          kStayed: ROLL_BACK [look; resume what is stopped] ─►
//                                                          kResumed
//
// What is safe, and why:
//  - Before a driver changes anything the stage is on disk. Whatever a crash leaves in kReserving or kReserved is
//    withdrawn as if unattended; in kMoving the move is called once more, cancelled from the start.
//  - What runs is neither dropped on a target nor removed from a source: each such task looks first. From VERIFY on a
//    target drops nothing by itself, because the source may be gone by then.
//  - A target answers FINISH with DONE when it has seen that it runs, or has proof that it is there for good: the
//  source
//    removes what it has on that.
//  - A source lets it run again in ROLL_BACK only, which the controller orders when the target has dropped it, and only
//    what it finds stopped. Unattended it stays stopped, and is told in a status until it is found running or gone.
//  - "There is no record of it, so nothing was begun" is said only where no record can be lost: what this run refused
//    itself, and what began when the journal already had its present name (MigrationOrder.journal). Otherwise the
//    answer is FAILED, without a presence.
//  - RESERVE and MOVE are done once. VERIFY looks again while it is ordered. FINISH and ROLL_BACK are tried again until
//    they succeed, while they are ordered.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/act/disk.h"
#include "agent/act/ledger.h"
#include "agent/act/migrate/move_guard.h"
#include "agent/act/migrate/move_journal.h"
#include "agent/act/migrate/move_task.h"
#include "agent/act/migrate/mover.h"
#include "agent/act/migrate/scout.h"

namespace truce::agent {

class LiveMover final : public Mover {
 public:
  LiveMover(const MoverOptions& options, std::vector<std::unique_ptr<MigrationDriver>> drivers,
            const host::CgroupLayout& layout, const Clock& clock, std::unique_ptr<MoveJournal> journal);
  ~LiveMover() override;

  // Takes up what an earlier run left. Called once, before anything else.
  void Recover();

  void Take(const v1::DesiredSet& desired, const TargetLookup& targets) override;
  void Tick() override;
  std::string MovingRefusal(const std::string& workload) const override;
  std::vector<v1::MigrationStatus> statuses() const override;
  std::vector<std::string> DriversFor(const Movable& workload) override { return scout_.DriversFor(workload); }
  std::string journal() const override { return journal_->name(); }
  std::vector<std::string> ReadyDrivers() const override;
  std::map<std::string, std::string> MissingDrivers() const override;
  std::vector<v1::Event> TakeEvents() override { return ledger_.TakeEvents(); }
  void Stop(absl::Duration patience) override;
  // Whether no driver is at anything at the moment.
  bool idle() const;

 private:
  struct Migration {
    // What is journalled. Its order is the first one that came, with the step of the last one: a controller that lost
    // its memory does not know the rest any more.
    MoveRecord record;
    // The workload's, on the source.
    std::string kind;
    // It was to begin in this run of the agent, and did not.
    bool refused = false;
    // In the last desired set, and in the one before.
    bool wanted = false;
    bool was_wanted = false;
    absl::Duration deadline = -absl::InfiniteDuration();
    std::unique_ptr<MoveTaskThread> task;
    // Why the task was cancelled; empty: it wasn't.
    std::string cancelled;
    // When the next look or try is due, and how many tries of this step failed.
    absl::Duration next_try = -absl::InfiniteDuration();
    int failures = 0;
    // The problem that was told last, so that it is told once.
    std::string told;
  };
  using Migrations = std::map<std::string, Migration>;

  // live_mover.cc
  void TakeOrder(const v1::MigrationOrder& order, const TargetLookup& targets);
  void Begin(const v1::MigrationOrder& order, const TargetLookup& targets);
  void BeginToSend(Migration& migration, const std::optional<ActionTarget>& target);
  void BeginToReceive(Migration& migration);
  // An order for something of which this host has no record.
  void AnswerStranger(Migration& migration, const TargetLookup& targets);
  // The step was ordered and is not done for a reason that stands.
  void Refuse(Migration& migration, const std::string& reason);
  void Renew(Migration& migration, const v1::MigrationOrder& order, const TargetLookup& targets);
  MoveFacts FactsFor(const v1::MigrationOrder& order) const;
  uint64_t ReservedBytes() const;

  // live_mover_steps.cc
  // One that is ordered, in time.
  bool InForce(const Migration& migration) const;
  // Nothing is left to be done or told once it is not ordered any more.
  static bool IsOver(const Migration& migration);
  // Starts what is due. Nothing is done while a task goes on, but that it is cancelled when it should be.
  void Advance(Migration& migration);
  void AdvanceOrdered(Migration& migration);
  void AdvanceUnattended(Migration& migration);
  // The answer to a step that needs no driver; false when it does.
  bool AnswerByStage(Migration& migration);
  void Verify(Migration& migration);
  void CancelIfDue(Migration& migration);
  void Start(Migration& migration, MoveTask task, std::unique_ptr<host::Cgroup> cgroup = nullptr);
  // Tasks that are done, then whatever is due.
  void Work();
  void ForgetOver();

  // live_mover_ends.cc
  // Takes up what a task came to, whatever is ordered by now.
  void TakeUp(Migration& migration);
  void OnPrepared(Migration& migration, MoveTaskResult result);
  void OnMoved(Migration& migration, const MoveTaskResult& result);
  void OnReserved(Migration& migration, MoveTaskResult result);
  void OnLooked(Migration& migration, const MoveTaskResult& result);
  void OnWithdrawn(Migration& migration, const MoveTaskResult& result);
  // kFinish, kRollBack.
  void OnEnded(Migration& migration, const MoveTaskResult& result, MoveStage stage);
  // FINISH of a target that has let it run, as it was seen since.
  void AnswerSettled(Migration& migration, const Presence& presence);
  // Puts it to the stage, on disk; an error leaves it where it was.
  absl::Status Enter(Migration& migration, MoveStage stage);
  // The same where what happened has happened, whatever the disk says.
  void EnterAnyhow(Migration& migration, MoveStage stage);
  void Answer(Migration& migration, v1::MigrationStep step, v1::MigrationProgress progress, std::string reason = "");
  static void SetPresence(const Presence& presence, Migration& migration);
  void Tell(Migration& migration, const std::string& kind, const std::string& message);

  const MoverOptions options_;
  const std::vector<std::shared_ptr<MigrationDriver>> drivers_;
  const host::CgroupLayout& layout_;
  const Clock& clock_;
  const std::unique_ptr<MoveJournal> journal_;
  Scout scout_;
  Ledger ledger_;
  Migrations migrations_;
  bool hold_ = false;
  bool stopping_ = false;
};

// OpenMover of mover.h with the disk handed in; `disk` outlives the mover.
absl::StatusOr<std::unique_ptr<Mover>> OpenMoverOn(Disk& disk, const MoverOptions& options,
                                                   std::vector<std::unique_ptr<MigrationDriver>> drivers,
                                                   const host::CgroupLayout& layout, const Clock& clock);

}  // namespace truce::agent
