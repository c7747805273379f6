// What is done next for a migration; live_mover.h draws it.
#include <utility>

#include "agent/act/migrate/live_mover.h"
#include "src/base/text.h"

namespace truce::agent {
namespace {

// When what could not be written down, or has no driver, is tried again.
constexpr absl::Duration kTryAgain = absl::Seconds(5);

constexpr auto kWorking = v1::MIGRATION_PROGRESS_WORKING;
constexpr auto kDone = v1::MIGRATION_PROGRESS_DONE;
constexpr auto kRefused = v1::MIGRATION_PROGRESS_REFUSED;
constexpr auto kFailed = v1::MIGRATION_PROGRESS_FAILED;

std::string Words(const absl::Status& status) {
  return std::string(StdView(status.message()));
}

}  // namespace

bool LiveMover::InForce(const Migration& migration) const {
  return migration.wanted && !stopping_ && clock_.Monotonic() < migration.deadline;
}

bool LiveMover::IsOver(const Migration& migration) {
  switch (migration.record.stage) {
    case MoveStage::kRefused:
    case MoveStage::kSettled:
    case MoveStage::kDropped:
    case MoveStage::kStayed:
    case MoveStage::kResumed:
    case MoveStage::kLeft:
      return true;
    default:
      return false;
  }
}

void LiveMover::Work() {
  for (auto& [id, migration] : migrations_) {
    if (migration.task != nullptr && migration.task->done()) TakeUp(migration);
    Advance(migration);
  }
  ForgetOver();
}

void LiveMover::ForgetOver() {
  for (auto it = migrations_.begin(); it != migrations_.end();) {
    const Migration& migration = it->second;
    if (migration.wanted || migration.task != nullptr || !IsOver(migration)) {
      ++it;
      continue;
    }
    journal_->Forget(it->first);
    it = migrations_.erase(it);
  }
}

void LiveMover::Advance(Migration& migration) {
  CancelIfDue(migration);
  if (migration.task != nullptr) return;
  if (InForce(migration)) {
    AdvanceOrdered(migration);
  } else {
    AdvanceUnattended(migration);
  }
}

void LiveMover::CancelIfDue(Migration& migration) {
  if (migration.task == nullptr || migration.task->task() != MoveTask::kMove || !migration.cancelled.empty()) return;
  if (stopping_) {
    migration.cancelled = "the agent stops";
  } else if (hold_) {
    migration.cancelled = "the host is on hold";
  } else if (!migration.wanted) {
    migration.cancelled = "the controller does not order it any more";
  } else if (!InForce(migration)) {
    migration.cancelled = "its order was not renewed in time";
  } else if (migration.record.order.step() != v1::MIGRATION_STEP_MOVE) {
    migration.cancelled = "the controller ended it";
  }
  if (!migration.cancelled.empty()) migration.task->control().cancelled = true;
}

void LiveMover::AdvanceOrdered(Migration& migration) {
  const v1::MigrationStep step = migration.record.order.step();
  if (step != v1::MIGRATION_STEP_VERIFY && step != v1::MIGRATION_STEP_FINISH && step != v1::MIGRATION_STEP_ROLL_BACK) {
    return;
  }
  if (AnswerByStage(migration) || clock_.Monotonic() < migration.next_try) return;
  if (step == v1::MIGRATION_STEP_VERIFY) return Verify(migration);
  if (migration.record.status.step() != step) Answer(migration, step, kWorking);
  if (step == v1::MIGRATION_STEP_ROLL_BACK) return Start(migration, MoveTask::kRollBack);
  Start(migration, migration.record.stage == MoveStage::kSettled ? MoveTask::kLook : MoveTask::kFinish);
}

bool LiveMover::AnswerByStage(Migration& migration) {
  MoveRecord& record = migration.record;
  const v1::MigrationStep step = record.order.step();
  const bool finish = step == v1::MIGRATION_STEP_FINISH;
  const bool roll_back = step == v1::MIGRATION_STEP_ROLL_BACK;
  // The presence that is known stays.
  const auto answer = [&](v1::MigrationProgress progress, const char* reason = "") {
    if (record.status.step() != step || record.status.progress() != progress) Answer(migration, step, progress, reason);
    return true;
  };
  switch (record.stage) {
    case MoveStage::kRefused:
    case MoveStage::kPreparing:
      return true;
    case MoveStage::kDropped:
      SetPresence({.where = v1::MIGRATION_PRESENCE_ABSENT}, migration);
      return finish ? answer(kRefused, "what came was dropped here") : answer(kDone);
    case MoveStage::kLeft:
      SetPresence({.where = v1::MIGRATION_PRESENCE_ABSENT}, migration);
      return roll_back ? answer(kRefused, "what was left of it here was removed") : answer(kDone);
    case MoveStage::kSettled:
      if (roll_back) return answer(kRefused, "it is at home here, and the other host may have removed it");
      // Anything but that is looked for.
      return finish && record.status.step() == step && record.status.progress() == kDone;
    case MoveStage::kStayed:
      return finish && answer(kRefused, "it did not leave this host");
    case MoveStage::kResumed:
      if (finish) return answer(kRefused, "it was let run here again");
      return roll_back && answer(kDone);
    default:
      return false;
  }
}

void LiveMover::Verify(Migration& migration) {
  const MoveStage stage = migration.record.stage;
  if (stage == MoveStage::kReserving || stage == MoveStage::kReserved) {
    if (absl::Status status = Enter(migration, MoveStage::kArrived); !status.ok()) {
      migration.next_try = clock_.Monotonic() + kTryAgain;
      return Answer(migration, v1::MIGRATION_STEP_VERIFY, kFailed, Words(status));
    }
  }
  if (migration.record.status.step() != v1::MIGRATION_STEP_VERIFY) {
    Answer(migration, v1::MIGRATION_STEP_VERIFY, kWorking);
  }
  Start(migration, MoveTask::kLook);
}

void LiveMover::AdvanceUnattended(Migration& migration) {
  if (IsOver(migration) || clock_.Monotonic() < migration.next_try) return;
  switch (migration.record.stage) {
    case MoveStage::kReserving:
    case MoveStage::kReserved:
      if (stopping_) {
        migration.cancelled = "the agent stops";
      } else if (migration.cancelled.empty()) {
        migration.cancelled = migration.wanted ? "its order was not renewed in time" : "nobody orders it any more";
      }
      Answer(migration, v1::MIGRATION_STEP_RESERVE, kWorking);
      return Start(migration, MoveTask::kWithdraw);
    case MoveStage::kMoving:
      // Never begun anew.
      if (migration.cancelled.empty()) migration.cancelled = "its move was interrupted";
      return Start(migration, MoveTask::kMove);
    case MoveStage::kMoved:
    case MoveStage::kArrived:
      if (!stopping_) Start(migration, MoveTask::kLook);
      return;
    default:
      return;
  }
}

void LiveMover::Start(Migration& migration, MoveTask task, std::unique_ptr<host::Cgroup> cgroup) {
  MoveRecord& record = migration.record;
  MoveTaskInput input{.task = task, .order = record.order, .memory = record.memory, .cgroup = std::move(cgroup)};
  for (const auto& driver : drivers_) {
    if (driver->name() == record.order.driver()) input.driver = driver;
  }
  if (input.driver == nullptr) {
    migration.next_try = clock_.Monotonic() + kTryAgain;
    const std::string reason =
        StrCat("the driver ", record.order.driver(), " is not configured here any more (migration.drivers)");
    Answer(migration, record.order.step(), kFailed, reason);
    return Tell(migration, "migration_failed", reason);
  }
  if (input.cgroup != nullptr) {
    input.workload = {record.order.workload(), migration.kind, record.order.application(), input.cgroup.get()};
  }
  // One of an earlier run is ended and not begun.
  const bool cancelled = task == MoveTask::kMove && !migration.cancelled.empty();
  migration.task = std::make_unique<MoveTaskThread>(std::move(input), cancelled);
}

}  // namespace truce::agent
