// What the end of a step leads to; live_mover.h draws it.
#include <spdlog/spdlog.h>

#include <utility>

#include "absl/strings/escaping.h"
#include "agent/act/migrate/live_mover.h"
#include "src/base/text.h"

namespace truce::agent {
namespace {

// How soon VERIFY looks again, and what failed is tried again: at first, when that may pass by itself, and later.
constexpr absl::Duration kLookAgain = absl::Seconds(1);
constexpr absl::Duration kTrySoon = absl::Seconds(2);
constexpr absl::Duration kTryLater = absl::Seconds(10);
constexpr int kSoonTries = 3;
// How often what nobody is at any more is looked at.
constexpr absl::Duration kWatchAgain = absl::Seconds(30);

constexpr auto kWorking = v1::MIGRATION_PROGRESS_WORKING;
constexpr auto kDone = v1::MIGRATION_PROGRESS_DONE;
constexpr auto kRefused = v1::MIGRATION_PROGRESS_REFUSED;
constexpr auto kFailed = v1::MIGRATION_PROGRESS_FAILED;

bool IsSource(const MoveRecord& record) {
  return record.order.role() == v1::MIGRATION_ROLE_SOURCE;
}

std::string Words(const absl::Status& status) {
  return std::string(StdView(status.message()));
}

// Text on the wire is UTF-8; what programs and other machines say may be anything.
std::string OnWire(std::string text) {
  return IsUtf8(text) ? std::move(text) : absl::CHexEscape(text);
}

std::string Where(const v1::MigrationOrder& order) {
  const bool source = order.role() == v1::MIGRATION_ROLE_SOURCE;
  if (order.peer_host().empty()) return source ? "elsewhere" : "from elsewhere";
  return StrCat(source ? "to " : "from ", order.peer_host());
}

}  // namespace

void LiveMover::TakeUp(Migration& migration) {
  const MoveTask task = migration.task->task();
  MoveTaskResult result = migration.task->Take();
  migration.task.reset();
  switch (task) {
    case MoveTask::kRecall:
    case MoveTask::kPlan:
      OnPrepared(migration, std::move(result));
      break;
    case MoveTask::kMove:
      OnMoved(migration, result);
      break;
    case MoveTask::kReserve:
      OnReserved(migration, std::move(result));
      break;
    case MoveTask::kLook:
      OnLooked(migration, result);
      break;
    case MoveTask::kWithdraw:
      OnWithdrawn(migration, result);
      break;
    case MoveTask::kFinish:
      OnEnded(migration, result, IsSource(migration.record) ? MoveStage::kLeft : MoveStage::kSettled);
      break;
    case MoveTask::kRollBack:
      OnEnded(migration, result, IsSource(migration.record) ? MoveStage::kResumed : MoveStage::kDropped);
      break;
  }
}

void LiveMover::OnPrepared(Migration& migration, MoveTaskResult result) {
  MoveRecord& record = migration.record;
  const bool source = IsSource(record);
  const v1::MigrationStep step = source ? v1::MIGRATION_STEP_MOVE : v1::MIGRATION_STEP_RESERVE;
  absl::Status status = std::move(result.status);
  if (status.ok() && (hold_ || !InForce(migration) || record.order.step() != step)) {
    status = absl::CancelledError("it was called off before it began");
  }
  if (status.ok()) {
    record.memory = std::move(result.memory);
    status = Enter(migration, source ? MoveStage::kMoving : MoveStage::kReserving);
  }
  if (!status.ok()) {
    migration.refused = true;
    record.stage = MoveStage::kRefused;
    Answer(migration, step, kRefused, Words(status));
    return Tell(migration, "migration_refused", Words(status));
  }
  Tell(migration, "migration_begun",
       StrCat(source ? "moving it " : "getting ready to receive it ", Where(record.order), " by ",
              record.order.driver(), record.order.reason().empty() ? "" : ": ", record.order.reason()));
  Start(migration, source ? MoveTask::kMove : MoveTask::kReserve);
}

void LiveMover::OnMoved(Migration& migration, const MoveTaskResult& result) {
  MoveRecord& record = migration.record;
  const std::string why = std::exchange(migration.cancelled, "");
  const absl::Status& status = result.status;
  migration.next_try = -absl::InfiniteDuration();
  if (status.ok()) {
    record.status.set_moved_bytes(result.outcome.moved_bytes);
    std::string stood_still;
    if (result.outcome.downtime < absl::InfiniteDuration()) {
      SetDuration(result.outcome.downtime, record.status.mutable_downtime());
      stood_still = StrCat("; it stood still for ", absl::FormatDuration(result.outcome.downtime));
    }
    Answer(migration, v1::MIGRATION_STEP_MOVE, kDone);
    EnterAnyhow(migration, MoveStage::kMoved);
    return Tell(migration, "migration_moved", StrCat("moved it ", Where(record.order), stood_still));
  }
  std::string reason = why.empty() ? Words(status) : StrCat(why, ": ", StdView(status.message()));
  const bool as_before = absl::IsCancelled(status) || absl::IsAborted(status) || absl::IsResourceExhausted(status);
  if (!as_before) StrAppend(&reason, "; nobody knows yet where it runs");
  Answer(migration, v1::MIGRATION_STEP_MOVE, absl::IsResourceExhausted(status) ? kRefused : kFailed, reason);
  EnterAnyhow(migration, as_before ? MoveStage::kStayed : MoveStage::kMoved);
  Tell(migration, "migration_failed", reason);
}

void LiveMover::OnReserved(Migration& migration, MoveTaskResult result) {
  MoveRecord& record = migration.record;
  if (!result.status.ok()) {
    // A driver that failed may have left something, or not got as far as to remove it.
    migration.cancelled = Words(result.status);
    return Start(migration, MoveTask::kWithdraw);
  }
  record.memory = std::move(result.memory);
  record.status.set_endpoint(OnWire(std::move(result.endpoint)));
  Answer(migration, v1::MIGRATION_STEP_RESERVE, kDone);
  if (absl::Status status = Enter(migration, MoveStage::kReserved); !status.ok()) {
    // The plan is on disk, and may not be enough.
    migration.cancelled = Words(status);
    Answer(migration, v1::MIGRATION_STEP_RESERVE, kWorking);
    Start(migration, MoveTask::kWithdraw);
  }
}

void LiveMover::OnLooked(Migration& migration, const MoveTaskResult& result) {
  MoveRecord& record = migration.record;
  const absl::Duration now = clock_.Monotonic();
  SetPresence(result.presence, migration);
  if (InForce(migration)) {
    if (record.order.step() == v1::MIGRATION_STEP_FINISH && record.stage == MoveStage::kSettled) {
      return AnswerSettled(migration, result.presence);
    }
    if (record.order.step() != v1::MIGRATION_STEP_VERIFY) return;
    migration.next_try = now + (result.status.ok() ? kLookAgain : kTrySoon);
    if (result.status.ok()) {
      migration.failures = 0;
      return Answer(migration, v1::MIGRATION_STEP_VERIFY, kDone);
    }
    const bool soon = absl::IsUnavailable(result.status) && ++migration.failures < kSoonTries;
    return Answer(migration, v1::MIGRATION_STEP_VERIFY, soon ? kWorking : kFailed, Words(result.status));
  }
  migration.next_try = now + kWatchAgain;
  if (!result.status.ok()) return;
  const v1::MigrationPresence where = result.presence.where;
  if (where == v1::MIGRATION_PRESENCE_STOPPED) {
    Tell(migration, "migration_unattended",
         StrCat("it is stopped here in the middle of its migration ", Where(record.order),
                ", and stays so until the controller says where it runs; if that does not come, look on both hosts"));
  }
  // Somebody brought it to an end by hand, or it ended by itself.
  if (migration.wanted || where == v1::MIGRATION_PRESENCE_STOPPED) return;
  if (where == v1::MIGRATION_PRESENCE_ABSENT) {
    EnterAnyhow(migration, IsSource(record) ? MoveStage::kLeft : MoveStage::kDropped);
  } else if (IsSource(record)) {
    EnterAnyhow(migration, MoveStage::kResumed);
  }
}

void LiveMover::OnWithdrawn(Migration& migration, const MoveTaskResult& result) {
  SetPresence(result.presence, migration);
  if (!result.status.ok()) {
    migration.next_try = clock_.Monotonic() + kTryLater;
    const std::string reason = StrCat(
        migration.cancelled, ", and what was reserved could not be dropped yet: ", StdView(result.status.message()));
    Answer(migration, v1::MIGRATION_STEP_RESERVE, kFailed, reason);
    return Tell(migration, "migration_failed", reason);
  }
  const std::string why = std::exchange(migration.cancelled, "");
  migration.next_try = -absl::InfiniteDuration();
  if (result.presence.where == v1::MIGRATION_PRESENCE_RUNNING) {
    // Never DONE: what was reserved has ended, and nothing is to be sent to what runs.
    const std::string reason = StrCat(why, "; it runs here by now and is left alone");
    Answer(migration, v1::MIGRATION_STEP_RESERVE, kFailed, reason);
    EnterAnyhow(migration, MoveStage::kArrived);
    return Tell(migration, "migration_unattended", reason);
  }
  const std::string reason = StrCat(why, "; what was reserved was dropped");
  Answer(migration, v1::MIGRATION_STEP_RESERVE, kFailed, reason);
  EnterAnyhow(migration, MoveStage::kDropped);
  Tell(migration, "migration_failed", reason);
}

void LiveMover::OnEnded(Migration& migration, const MoveTaskResult& result, MoveStage stage) {
  const bool finished = stage == MoveStage::kLeft || stage == MoveStage::kSettled;
  const v1::MigrationStep step = finished ? v1::MIGRATION_STEP_FINISH : v1::MIGRATION_STEP_ROLL_BACK;
  SetPresence(result.presence, migration);
  if (result.status.ok()) {
    Answer(migration, step, kDone);
    if (stage == MoveStage::kSettled) AnswerSettled(migration, result.presence);
    EnterAnyhow(migration, stage);
    if (stage == MoveStage::kResumed) Tell(migration, "migration_rolled_back", "it runs here as before");
    if (stage == MoveStage::kDropped) Tell(migration, "migration_rolled_back", "what came of it was dropped");
    return;
  }
  const bool soon = absl::IsUnavailable(result.status) && ++migration.failures < kSoonTries;
  migration.next_try = clock_.Monotonic() + (soon ? kTrySoon : kTryLater);
  Answer(migration, step, soon ? kWorking : kFailed, Words(result.status));
  if (!soon) Tell(migration, "migration_failed", Words(result.status));
}

// It was let run here. The source removes what it has on this word, so it is given when that was seen.
void LiveMover::AnswerSettled(Migration& migration, const Presence& presence) {
  if (presence.where == v1::MIGRATION_PRESENCE_RUNNING || presence.arrived) {
    Answer(migration, v1::MIGRATION_STEP_FINISH, kDone);
    return Tell(migration, "migration_moved", StrCat("it came ", Where(migration.record.order)));
  }
  migration.next_try = clock_.Monotonic() + kTrySoon;
  Answer(migration, v1::MIGRATION_STEP_FINISH, kWorking, "it was let run, and was not seen to run yet");
}

absl::Status LiveMover::Enter(Migration& migration, MoveStage stage) {
  const MoveStage before = std::exchange(migration.record.stage, stage);
  absl::Status status = journal_->Record(migration.record);
  if (!status.ok()) migration.record.stage = before;
  return status;
}

// An older record leads to a look, or to a second try of what can be done twice.
void LiveMover::EnterAnyhow(Migration& migration, MoveStage stage) {
  if (absl::Status status = Enter(migration, stage); !status.ok()) {
    spdlog::warn("{}: {}", migration.record.order.migration_id(), Words(status));
    migration.record.stage = stage;
  }
}

void LiveMover::Answer(Migration& migration, v1::MigrationStep step, v1::MigrationProgress progress,
                       std::string reason) {
  const v1::MigrationOrder& order = migration.record.order;
  v1::MigrationStatus& status = migration.record.status;
  status.set_migration_id(order.migration_id());
  status.set_role(order.role());
  status.set_driver(order.driver());
  status.set_step(step);
  status.set_progress(progress);
  status.set_reason(OnWire(std::move(reason)));
  if (IsSource(migration.record)) status.set_workload(order.workload());
}

void LiveMover::SetPresence(const Presence& presence, Migration& migration) {
  migration.record.status.set_presence(presence.where);
  migration.record.status.set_arrived(presence.arrived);
  if (!IsSource(migration.record) && !presence.workload.empty()) {
    migration.record.status.set_workload(OnWire(presence.workload));
  }
}

void LiveMover::Tell(Migration& migration, const std::string& kind, const std::string& message) {
  std::string text = StrCat(kind, " ", message);
  if (text == migration.told) return;
  migration.told = std::move(text);
  const v1::MigrationStatus& status = migration.record.status;
  const std::string& workload = status.workload().empty() ? migration.record.order.workload() : status.workload();
  ledger_.AddEvent(kind, workload, OnWire(StrCat("migration ", migration.record.order.migration_id(), ": ", message)));
}

}  // namespace truce::agent
