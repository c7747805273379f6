#include "agent/act/migrate/live_mover.h"

#include <algorithm>
#include <set>
#include <utility>

#include "src/base/enum_words.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::agent {
namespace {

std::vector<std::shared_ptr<MigrationDriver>> Share(std::vector<std::unique_ptr<MigrationDriver>> drivers) {
  std::vector<std::shared_ptr<MigrationDriver>> shared;
  for (auto& driver : drivers) shared.push_back(std::move(driver));
  return shared;
}

bool IsSource(const v1::MigrationOrder& order) {
  return order.role() == v1::MIGRATION_ROLE_SOURCE;
}

}  // namespace

LiveMover::LiveMover(const MoverOptions& options, std::vector<std::unique_ptr<MigrationDriver>> drivers,
                     const host::CgroupLayout& layout, const Clock& clock, std::unique_ptr<MoveJournal> journal)
    : options_(options),
      drivers_(Share(std::move(drivers))),
      layout_(layout),
      clock_(clock),
      journal_(std::move(journal)),
      scout_(drivers_, layout, clock),
      ledger_(clock) {}

// Ends what can be ended, and writes nothing any more: what a crash would leave.
LiveMover::~LiveMover() {
  for (auto& [id, migration] : migrations_) {
    if (migration.task != nullptr) migration.task->control().cancelled = true;
  }
}

void LiveMover::Recover() {
  // Without a driver nothing is begun, and there is nothing to write down.
  if (!drivers_.empty()) journal_->EnsureName();
  for (const std::string& problem : journal_->problems()) ledger_.AddEvent("journal_damaged", "", problem);
  for (const auto& [id, record] : journal_->records()) migrations_[id].record = record;
  for (auto& [id, migration] : migrations_) {
    // Whatever is ordered next, this comes first.
    if (migration.record.stage == MoveStage::kMoving) {
      migration.cancelled = "the agent was started anew while it moved it";
      Start(migration, MoveTask::kMove);
    } else if (migration.record.stage == MoveStage::kReserving || migration.record.stage == MoveStage::kReserved) {
      migration.cancelled = "the agent was started anew";
      Answer(migration, v1::MIGRATION_STEP_RESERVE, v1::MIGRATION_PROGRESS_WORKING);
      Start(migration, MoveTask::kWithdraw);
    }
  }
}

void LiveMover::Take(const v1::DesiredSet& desired, const TargetLookup& targets) {
  hold_ = desired.hold();
  for (auto& [id, migration] : migrations_) migration.was_wanted = std::exchange(migration.wanted, false);
  std::set<std::string> seen;
  for (const v1::MigrationOrder& order : desired.migrations()) {
    if (seen.insert(order.migration_id()).second) TakeOrder(order, targets);
  }
  Work();
}

void LiveMover::TakeOrder(const v1::MigrationOrder& order, const TargetLookup& targets) {
  if (const auto known = migrations_.find(order.migration_id()); known != migrations_.end()) {
    Renew(known->second, order, targets);
  } else {
    Begin(order, targets);
  }
}

void LiveMover::Begin(const v1::MigrationOrder& order, const TargetLookup& targets) {
  const MoveFacts facts = FactsFor(order);
  Migration& migration = migrations_[order.migration_id()];
  migration.record.order = order;
  migration.wanted = true;
  migration.deadline = clock_.Monotonic() + TimeToLive(order);
  if (order.step() == v1::MIGRATION_STEP_UNSPECIFIED) return Refuse(migration, "the order names no step");
  const bool begins_here = order.step() == v1::MIGRATION_STEP_RESERVE || order.step() == v1::MIGRATION_STEP_MOVE;
  if (!begins_here) return AnswerStranger(migration, targets);
  if ((order.step() == v1::MIGRATION_STEP_MOVE) != IsSource(order)) {
    return Refuse(migration, StrCat("the step ", EnumWord(order.step()), " is not for the ", EnumWord(order.role()),
                                    " of a migration"));
  }
  if (IsSource(order)) {
    const auto target = targets(order.workload());
    if (auto refusal = RefusalToSend(order, facts, target)) return Refuse(migration, *refusal);
    BeginToSend(migration, target);
  } else {
    MoveRoom room = ReadRoom(options_.procfs);
    room.reserved_bytes = ReservedBytes();
    room.least_free_ratio = options_.least_free_memory_ratio;
    if (auto refusal = RefusalToReceive(order, facts, room)) return Refuse(migration, *refusal);
    BeginToReceive(migration);
  }
}

void LiveMover::BeginToSend(Migration& migration, const std::optional<ActionTarget>& target) {
  // The sampler's own cgroup is this thread's, and may go away while the driver still looks at it.
  auto cgroup = host::Cgroup::Open(layout_, target->name);
  if (!cgroup.ok()) return Refuse(migration, std::string(StdView(cgroup.status().message())));
  if ((*cgroup)->instance() != target->instance) {
    return Refuse(migration, StrCat(target->name, " was removed and made again"));
  }
  migration.kind = target->kind;
  migration.record.stage = MoveStage::kPreparing;
  Answer(migration, v1::MIGRATION_STEP_MOVE, v1::MIGRATION_PROGRESS_WORKING);
  Start(migration, MoveTask::kRecall, *std::move(cgroup));
}

void LiveMover::BeginToReceive(Migration& migration) {
  migration.record.stage = MoveStage::kPreparing;
  Answer(migration, v1::MIGRATION_STEP_RESERVE, v1::MIGRATION_PROGRESS_WORKING);
  Start(migration, MoveTask::kPlan);
}

void LiveMover::Refuse(Migration& migration, const std::string& reason) {
  migration.refused = true;
  migration.record.stage = MoveStage::kRefused;
  Answer(migration, migration.record.order.step(), v1::MIGRATION_PROGRESS_REFUSED, reason);
  Tell(migration, "migration_refused", reason);
}

// Where nothing of it was ever begun it is as it was: on the source it lives, on the target there is nothing.
void LiveMover::AnswerStranger(Migration& migration, const TargetLookup& targets) {
  const v1::MigrationOrder& order = migration.record.order;
  const v1::MigrationStep step = order.step();
  const bool never_begun = migration.refused || (!journal_->name().empty() && order.journal() == journal_->name());
  if (!never_begun) {
    return Answer(migration, step, v1::MIGRATION_PROGRESS_FAILED,
                  "this host has no record of it, which may be lost: its journal of migrations (in state_directory) is "
                  "not the one that was here when it began; look there");
  }
  if (order.role() != v1::MIGRATION_ROLE_SOURCE && order.role() != v1::MIGRATION_ROLE_TARGET) {
    return Answer(migration, step, v1::MIGRATION_PROGRESS_REFUSED, "the order does not say which part this host has");
  }
  const auto target = IsSource(order) ? targets(order.workload()) : std::nullopt;
  const bool lives = target && (order.workload_instance() == 0 || order.workload_instance() == target->instance);
  Presence presence{.where = lives ? v1::MIGRATION_PRESENCE_RUNNING : v1::MIGRATION_PRESENCE_ABSENT};
  if (lives) presence.workload = target->name;
  SetPresence(presence, migration);
  if (step == v1::MIGRATION_STEP_FINISH && (lives || !IsSource(order))) {
    return Answer(migration, step, v1::MIGRATION_PROGRESS_REFUSED,
                  IsSource(order) ? "this host has not moved it, and so does not remove it"
                                  : "this host has not got ready for it");
  }
  if (step == v1::MIGRATION_STEP_ROLL_BACK && IsSource(order) && !lives) {
    return Answer(migration, step, v1::MIGRATION_PROGRESS_FAILED, "this host has no record of it, and nothing of it");
  }
  Answer(migration, step, v1::MIGRATION_PROGRESS_DONE);
}

void LiveMover::Renew(Migration& migration, const v1::MigrationOrder& order, const TargetLookup& targets) {
  const bool was_in_force = migration.was_wanted && clock_.Monotonic() < migration.deadline;
  migration.wanted = true;
  if (const absl::Duration left = TimeToLive(order); left > absl::ZeroDuration()) {
    migration.deadline = clock_.Monotonic() + left;
  }
  MoveRecord& record = migration.record;
  const bool begins = order.step() == v1::MIGRATION_STEP_RESERVE || order.step() == v1::MIGRATION_STEP_MOVE;
  // What was begun is begun once, and what came after it is not undone by an order to begin.
  if (order.step() != record.order.step() && order.step() != v1::MIGRATION_STEP_UNSPECIFIED && !begins) {
    record.order.set_step(order.step());
    migration.failures = 0;
    migration.next_try = -absl::InfiniteDuration();
  }
  // What was only watched now and then has somebody waiting for it again.
  if (!was_in_force) migration.next_try = -absl::InfiniteDuration();
  if (record.stage == MoveStage::kRefused && !begins) AnswerStranger(migration, targets);
  if (migration.task == nullptr || migration.task->task() != MoveTask::kMove || !migration.cancelled.empty()) return;
  // It may be out of sight for the last moments of its move.
  const auto target = targets(record.order.workload());
  if (!target) return;
  if (auto refusal = RefusalOfWorkload(record.order, target)) {
    migration.cancelled = *std::move(refusal);
    migration.task->control().cancelled = true;
  }
}

MoveFacts LiveMover::FactsFor(const v1::MigrationOrder& order) const {
  MoveFacts facts{.hold = hold_, .mode_ceiling = options_.mode_ceiling, .most_at_a_time = options_.most_at_a_time};
  for (const auto& driver : drivers_) facts.configured.emplace_back(driver->name());
  const Readiness readiness = scout_.ReadinessOf(order.driver());
  facts.ready = IsSource(order) ? readiness.ready : readiness.to_receive;
  for (const auto& [id, migration] : migrations_) {
    if (migration.task == nullptr && IsOver(migration)) continue;
    const bool attended = migration.task != nullptr || InForce(migration);
    (attended ? facts.under_way : facts.left_over) += 1;
    const v1::MigrationOrder& other = migration.record.order;
    if (other.role() == order.role() && other.workload() == order.workload() &&
        (IsSource(order) || other.peer_host() == order.peer_host())) {
      facts.other_migration = id;
    }
  }
  return facts;
}

uint64_t LiveMover::ReservedBytes() const {
  uint64_t bytes = 0;
  for (const auto& [id, migration] : migrations_) {
    const MoveStage stage = migration.record.stage;
    const bool waits =
        stage == MoveStage::kPreparing || stage == MoveStage::kReserving || stage == MoveStage::kReserved;
    if (waits && !IsSource(migration.record.order)) bytes += migration.record.order.memory_bytes();
  }
  return bytes;
}

void LiveMover::Tick() {
  scout_.Tick();
  Work();
}

std::string LiveMover::MovingRefusal(const std::string& workload) const {
  for (const auto& [id, migration] : migrations_) {
    const bool leaves = IsSource(migration.record.order) && migration.record.order.workload() == workload;
    if (!leaves || (migration.task == nullptr && IsOver(migration))) continue;
    return StrCat(workload, " is being moved to another host (", id, ")");
  }
  return "";
}

std::vector<v1::MigrationStatus> LiveMover::statuses() const {
  std::vector<v1::MigrationStatus> all;
  for (const auto& [id, migration] : migrations_) {
    v1::MigrationStatus& status = all.emplace_back(migration.record.status);
    if (migration.task != nullptr && migration.task->task() == MoveTask::kMove) {
      status.set_moved_bytes(migration.task->control().moved_bytes);
    }
  }
  return all;
}

std::vector<std::string> LiveMover::ReadyDrivers() const {
  std::vector<std::string> ready;
  for (const auto& driver : drivers_) {
    std::string name(driver->name());
    if (scout_.ReadinessOf(name).to_receive.ok()) ready.push_back(std::move(name));
  }
  return ready;
}

std::map<std::string, std::string> LiveMover::MissingDrivers() const {
  std::map<std::string, std::string> missing;
  for (const auto& driver : drivers_) {
    std::string name(driver->name());
    const absl::Status lacks = scout_.ReadinessOf(name).to_receive;
    if (!lacks.ok()) missing[std::move(name)] = std::string(StdView(lacks.message()));
  }
  return missing;
}

void LiveMover::Stop(absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  stopping_ = true;
  bool busy = true;
  while (busy) {
    Work();
    busy = false;
    for (auto& [id, migration] : migrations_) {
      if (migration.task == nullptr) continue;
      if (migration.task->WaitFor(std::max(absl::ZeroDuration(), deadline - absl::Now()))) busy = true;
    }
  }
  for (auto& [id, migration] : migrations_) {
    if (migration.task != nullptr) migration.task->Abandon();
  }
  scout_.Stop(std::max(absl::ZeroDuration(), deadline - absl::Now()));
}

bool LiveMover::idle() const {
  return std::none_of(migrations_.begin(), migrations_.end(),
                      [](const auto& one) { return one.second.task != nullptr; });
}

absl::StatusOr<std::unique_ptr<Mover>> OpenMoverOn(Disk& disk, const MoverOptions& options,
                                                   std::vector<std::unique_ptr<MigrationDriver>> drivers,
                                                   const host::CgroupLayout& layout, const Clock& clock) {
  TRUCE_ASSIGN_OR_RETURN(auto journal, MoveJournal::Open(options.state_directory, disk));
  auto mover = std::make_unique<LiveMover>(options, std::move(drivers), layout, clock, std::move(journal));
  mover->Recover();
  return mover;
}

absl::StatusOr<std::unique_ptr<Mover>> OpenMover(const MoverOptions& options,
                                                 std::vector<std::unique_ptr<MigrationDriver>> drivers,
                                                 const host::CgroupLayout& layout, const Clock& clock) {
  return OpenMoverOn(SystemDisk(), options, std::move(drivers), layout, clock);
}

}  // namespace truce::agent
