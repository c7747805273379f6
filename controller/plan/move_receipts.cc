#include "controller/plan/move_receipts.h"

#include <utility>

#include "controller/plan/move.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

v1::ReceiptOutcome OutcomeOf(v1::MigrationPhase phase) {
  switch (phase) {
    case v1::MIGRATION_PHASE_MOVED:
      return v1::RECEIPT_OUTCOME_MOVED;
    case v1::MIGRATION_PHASE_ROLLED_BACK:
      return v1::RECEIPT_OUTCOME_REVERTED;
    default:
      return v1::RECEIPT_OUTCOME_RESTORE_FAILED;
  }
}

std::string Sentence(const v1::Migration& migration) {
  const std::string where =
      migration.target_host().empty() ? std::string("where its cluster chose") : migration.target_host();
  std::string text;
  switch (migration.phase()) {
    case v1::MIGRATION_PHASE_MOVED:
      text = StrCat("it runs on ", where, " now");
      break;
    case v1::MIGRATION_PHASE_ROLLED_BACK:
      text = StrCat("it was not moved to ", where, " and runs as before");
      break;
    default:
      text = "nobody knows for certain where it runs";
  }
  return migration.detail().empty() ? text : StrCat(text, ": ", migration.detail());
}

// Of what was measured, or else as was expected.
double CostOf(const v1::Migration& migration) {
  const v1::MigrationStatus& source = migration.source();
  if (!source.has_downtime()) return migration.expected_cost_core_seconds();
  return MeasuredMoveCost(migration.cpu_cores(), ToDuration(source.downtime()), source.moved_bytes());
}

v1::ReceiptRecord MakeReceipt(const v1::Migration& migration) {
  v1::ReceiptRecord record;
  record.set_host(migration.source_host());
  v1::Receipt& receipt = *record.mutable_receipt();
  v1::LeasedAction& action = *receipt.mutable_action();
  action.set_lease_id(ReceiptIdOf(migration));
  action.set_workload(migration.workload());
  action.set_workload_instance(migration.workload_instance());
  action.set_workload_application(migration.application());
  action.set_workload_class(migration.workload_class());
  action.set_lever(v1::LEVER_MIGRATE);
  action.set_victim(migration.victim());
  action.set_victim_application(migration.victim_application());
  action.set_resource(migration.resource());
  action.set_expected_recovery(migration.expected_recovery());
  action.set_reason(migration.reason());
  action.set_mode(v1::MODE_ENFORCE);
  receipt.set_outcome(OutcomeOf(migration.phase()));
  *receipt.mutable_applied_at() = migration.created_at();
  *receipt.mutable_ended_at() = migration.changed_at();
  if (migration.has_victim_slowdown_before()) {
    receipt.set_victim_slowdown_before(migration.victim_slowdown_before());
  }
  receipt.set_cost_core_seconds(CostOf(migration));
  receipt.set_detail(migration.verifications() == 0
                         ? Sentence(migration)
                         : StrCat("looked at again after it had ended uncertain: ", Sentence(migration)));
  return record;
}

}  // namespace

std::string ReceiptIdOf(const v1::Migration& migration) {
  if (migration.verifications() == 0) return migration.migration_id();
  return StrCat(migration.migration_id(), "/", migration.verifications());
}

void MoveReceipts::OnEnded(const v1::Migration& migration, Moment now) {
  if (migration.phase() == v1::MIGRATION_PHASE_WITHDRAWN) return;
  // When one that was looked at again really moved nobody knows, so what its victim does now says nothing of it.
  const bool watch = migration.verifications() == 0 && migration.phase() == v1::MIGRATION_PHASE_MOVED &&
                     !migration.victim().empty() && migration.victim() != migration.workload();
  if (watch) {
    watched_.push_back({migration, now.monotonic});
  } else {
    ready_.push_back(MakeReceipt(migration));
  }
}

void MoveReceipts::OnReport(const HostState& host, Moment now) {
  for (Watched& watched : watched_) {
    if (watched.migration.source_host() != host.name || now.monotonic - watched.since < kSettle) continue;
    const v1::WorkloadReport* victim = host.Find(watched.migration.victim());
    if (victim == nullptr || !victim->has_slowdown_ratio()) continue;
    watched.slowdowns += victim->slowdown_ratio();
    ++watched.reports;
  }
}

std::vector<v1::ReceiptRecord> MoveReceipts::Take(Moment now) {
  std::erase_if(watched_, [&](const Watched& watched) {
    if (now.monotonic - watched.since < kWatch) return false;
    v1::ReceiptRecord& record = ready_.emplace_back(MakeReceipt(watched.migration));
    if (watched.reports > 0) {
      record.mutable_receipt()->set_victim_slowdown_after(watched.slowdowns / watched.reports);
    }
    return true;
  });
  return std::exchange(ready_, {});
}

}  // namespace truce::controller
