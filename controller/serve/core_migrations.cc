// ControllerCore's part that moves workloads between hosts: what the planner or an operator wishes is begun, followed
// step by step, stored and told.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include "controller/fleet/words.h"
#include "controller/plan/policy.h"
#include "controller/serve/core.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

constexpr int kDefaultLimit = 100;
// An end that has no receipt yet, because the controller was started anew before it was written, gets one so long.
constexpr absl::Duration kReceiptOwed = absl::Hours(24);

std::string Describe(const v1::Migration& migration) {
  return StrCat(migration.workload(), " from ", migration.source_host(), " to ",
                migration.target_host().empty() ? std::string("where its cluster chooses") : migration.target_host(),
                migration.driver().empty() ? std::string() : StrCat(" by ", migration.driver()), " (",
                migration.migration_id(), ")");
}

// Whether an operator who says `query` may mean the moved workload or its victim.
bool IsAbout(const v1::Migration& migration, const std::string& query) {
  v1::Workload moved;
  moved.set_name(migration.workload());
  moved.set_application(migration.application());
  v1::Workload victim;
  victim.set_name(migration.victim());
  victim.set_application(migration.victim_application());
  return query.empty() || NamesWorkload(moved, query) || NamesWorkload(victim, query);
}

}  // namespace

void ControllerCore::RestoreMigrations(const StoredState& restored) {
  const Moment now = MomentOf(clock_);
  std::set<std::string> with_receipt;
  for (const auto& receipt : restored.receipts) with_receipt.insert(receipt.action().lease_id());
  for (const v1::Migration& migration : restored.migrations) {
    const bool owed = HasEnded(migration.phase()) && !with_receipt.contains(ReceiptIdOf(migration)) &&
                      now.wall - ToTime(migration.changed_at()) < kReceiptOwed;
    if (owed) move_receipts_.OnEnded(migration, now);
  }
  migrations_.Restore(restored.migrations, now);
  for (const auto& [host, reason] : holds_) {
    migrations_.Hold(host, StrCat(host.empty() ? "the fleet" : "the host", " is on hold"), now);
  }
}

void ControllerCore::FollowWishes(std::vector<MigrationWish> wishes, std::vector<v1::Decision>* decisions) {
  const Moment now = MomentOf(clock_);
  for (MigrationWish& wish : wishes) {
    const v1::Migration* known = migrations_.Find(wish.migration.source_host(), wish.migration.workload());
    const std::string host = wish.migration.source_host();
    v1::Migration migration;
    if (wish.begin) {
      auto begun = migrations_.Begin(std::move(wish.migration), policy_, now);
      // The planner asked before; two pairs of one round may wish the same.
      if (!begun.ok()) continue;
      migration = *std::move(begun);
      places_.SetComing(migrations_.Reserved());
      Tell(host, migration.workload(), "migration_begun",
           StrCat("moving ", Describe(migration), " has begun: ", migration.reason()));
    } else {
      const bool is_new = known == nullptr;
      migration = migrations_.Propose(std::move(wish.migration), now);
      if (is_new) {
        Tell(host, migration.workload(), "migration_proposed",
             StrCat("moving ", Describe(migration), " is proposed: ", migration.reason()));
      }
    }
    for (v1::Decision& decision : *decisions) {
      if (decision.id() == wish.decision_id) decision.set_lease_id(migration.migration_id());
    }
  }
}

void ControllerCore::OnMigrationEnded(const v1::Migration& migration) {
  // One that was looked at again has ended before, and was counted as uncertain then.
  const bool again = migration.verifications() > 0;
  ++(again ? counts_.verified_migrations_by_outcome : counts_.migrations_by_outcome)[PhaseWord(migration.phase())];
  move_receipts_.OnEnded(migration, MomentOf(clock_));
  std::string_view what;
  switch (migration.phase()) {
    case v1::MIGRATION_PHASE_MOVED:
      what = "it runs on the other host";
      break;
    case v1::MIGRATION_PHASE_ROLLED_BACK:
      what = "it was taken back and runs as before";
      break;
    case v1::MIGRATION_PHASE_UNCERTAIN:
      what = "nobody can vouch for where it runs, an operator must look";
      break;
    default:
      return;
  }
  Tell(migration.source_host(), migration.workload(), StrCat("migration_", PhaseWord(migration.phase())),
       StrCat("moving ", Describe(migration), again ? ", looked at again, has ended: " : " has ended: ", what,
              migration.detail().empty() ? std::string() : StrCat(": ", migration.detail())));
}

void ControllerCore::FollowMigrations(Pumps& pumps) {
  const Moment now = MomentOf(clock_);
  for (const v1::Migration* migration : migrations_.Reserving()) {
    migrations_.SetActedOn(migration->migration_id(), IsActedOn(*migration));
  }
  for (const std::string& id : migration_writes_.Stuck(now.monotonic)) {
    migrations_.Stop(id, "the controller could not store that it goes on, so it does not; look at the store's disk");
  }
  migrations_.Tick(policy_, now);
  places_.SetComing(migrations_.Reserved());
  for (const v1::Migration& migration : migrations_.TakeEnded()) OnMigrationEnded(migration);
  for (v1::Migration& migration : migration_writes_.Due(now.monotonic)) StoreMigration(std::move(migration));
  for (v1::Migration& migration : migrations_.TakeChanged()) StoreMigration(std::move(migration));
  for (const std::string& name : migrations_.TakeChangedHosts()) {
    if (HostState* host = fleet_.Find(name)) SendDesired(*host, false, pumps);
  }
  for (v1::ReceiptRecord& record : move_receipts_.Take(now)) {
    ++counts_.receipts_by_outcome[std::string(OutcomeWord(record.receipt().outcome()))];
    Teach(record.receipt(), arbiter_);
    v1::ReceiptBatch batch;
    batch.set_batch_id(std::hash<std::string>()(record.receipt().action().lease_id()));
    *batch.add_receipts() = std::move(*record.mutable_receipt());
    store_.AddReceipts(record.host(), std::move(batch), {});
  }
}

bool ControllerCore::IsActedOn(const v1::Migration& migration) const {
  const HostState* source = fleet_.Find(migration.source_host());
  const auto entry = entries_.find(migration.source_host());
  const auto is_about = [&](const v1::LeasedAction& action) { return action.workload() == migration.workload(); };
  return (source != nullptr && std::any_of(source->held.begin(), source->held.end(),
                                           [&](const v1::HeldAction& held) { return is_about(held.action()); })) ||
         (entry != entries_.end() && std::ranges::any_of(AllActions(entry->second.plan), [&](const auto* planned) {
            return is_about(planned->action);
          }));
}

void ControllerCore::StoreMigration(v1::Migration migration) {
  const std::string id = migration.migration_id();
  const uint64_t number = migration_writes_.Begin(migration, clock_.Monotonic());
  const auto done = [home = home_, id, number](const absl::Status& status) {
    const absl::MutexLock lock(&home->mutex);
    if (home->core != nullptr) home->core->OnMigrationStored(id, number, status);
  };
  if (store_.Add(std::move(migration), done)) return;
  const absl::Status full = absl::ResourceExhaustedError("the store's queue is full; its disk is too slow or stuck");
  (void)migration_writes_.OnStored(id, number, full, clock_.Monotonic());
  OnMigrationRefused(id, full);
}

void ControllerCore::OnMigrationStored(const std::string& migration_id, uint64_t number, const absl::Status& status) {
  Pumps pumps;
  {
    absl::MutexLock lock(&mutex_);
    if (!status.ok()) OnMigrationRefused(migration_id, status);
    if (!migration_writes_.OnStored(migration_id, number, status, clock_.Monotonic())) return;
    const v1::Migration* migration = migrations_.Get(migration_id);
    if (migration == nullptr) return;
    for (const std::string* name : {&migration->source_host(), &migration->target_host()}) {
      if (HostState* host = fleet_.Find(*name)) SendDesired(*host, false, pumps);
    }
  }
  for (const auto& sink : pumps) sink->Pump();
}

void ControllerCore::OnMigrationRefused(const std::string& migration_id, const absl::Status& status) {
  ++counts_.migration_writes_refused;
  spdlog::error("migration {}: how it goes on could not be stored, so that is not ordered yet; it is tried again: {}",
                migration_id, StdView(status.message()));
  const v1::Migration* refused = migration_writes_.TakeUntold(migration_id);
  if (refused == nullptr) return;
  Tell(refused->source_host(), refused->workload(), "migration_not_stored",
       StrCat("the store does not take how moving ", Describe(*refused), " goes on, so that is not ordered yet; it is ",
              "tried again: ", StdView(status.message()), "; look at the store's disk"));
}

absl::StatusOr<v1::ListMigrationsResponse> ControllerCore::ListMigrations(const v1::ListMigrationsRequest& request) {
  absl::MutexLock lock(&mutex_);
  TRUCE_RETURN_IF_ERROR(KnownHost(request.host()));
  const Asked asked = TakeApart(request.host(), request.workload());
  std::vector<v1::Migration> all = migrations_.List();
  std::erase_if(all, [&asked](const v1::Migration& migration) {
    const bool here =
        asked.host.empty() || migration.source_host() == asked.host || migration.target_host() == asked.host;
    return !here || !IsAbout(migration, asked.workload);
  });
  const size_t limit = request.limit() == 0 ? kDefaultLimit : request.limit();
  v1::ListMigrationsResponse response;
  for (size_t i = all.size() > limit ? all.size() - limit : 0; i < all.size(); ++i) {
    *response.add_migrations() = std::move(all[i]);
  }
  return response;
}

absl::StatusOr<v1::Migration> ControllerCore::PlanMove(const v1::MigrateRequest& request, std::string_view who) {
  TRUCE_ASSIGN_OR_RETURN(const Found found, OneWorkload(request.host(), request.workload()));
  TRUCE_RETURN_IF_ERROR(KnownHost(request.target_host()));
  const HostState& host = *found.host;
  const v1::Workload& workload = found.workload->workload();
  if (!host.connected || !host.reported) {
    return absl::FailedPreconditionError(
        StrCat("host ", host.name, " is not connected, so nothing can be asked of it; see trucectl get hosts"));
  }
  if (IsHeld(host.name)) {
    return absl::FailedPreconditionError(StrCat("host ", host.name, " is on hold; trucectl resume ends it"));
  }
  TRUCE_RETURN_IF_ERROR(CheckMovable(host, *found.workload));
  const v1::Mode mode = ModeOf(policy_, host, workload);
  if (mode < v1::MODE_ENFORCE) {
    return absl::FailedPreconditionError(StrCat("the mode of ", workload.name(), " on ", host.name, " is ",
                                                ModeWord(mode), ", so its host would refuse; first: trucectl set mode ",
                                                "enforce --workload ", workload.name(), " --host ", host.name));
  }
  if (brake_.Tripped(policy_.fleet_brake_ratio())) {
    return absl::FailedPreconditionError(
        "the fleet brake is on: too many hosts are in trouble at once, which hints at another cause than neighbours");
  }
  const v1::Migration* known = migrations_.Find(host.name, workload.name());
  const bool proposed = known != nullptr && known->phase() == v1::MIGRATION_PHASE_PROPOSED;
  const MoveWish wish{.source = host,
                      .workload = *found.workload,
                      .driver = request.driver(),
                      .target_host = request.target_host(),
                      .preferred_host = proposed ? known->target_host() : std::string()};
  const Elsewhere elsewhere{fleet_, migrations_, holds_, places_};
  TRUCE_ASSIGN_OR_RETURN(const Destination destination,
                         FindDestination(wish, elsewhere, arbiter_, policy_, MomentOf(clock_)));
  v1::Migration migration = DescribeMove(wish, destination, elsewhere, policy_);
  migration.set_phase(v1::MIGRATION_PHASE_RESERVING);
  migration.set_reason(StrCat(who, " asked for it"));
  if (!proposed) return migration;
  StrAppend(migration.mutable_reason(), "; it was proposed because ", known->reason());
  migration.set_migration_id(known->migration_id());
  migration.set_victim(known->victim());
  migration.set_victim_application(known->victim_application());
  migration.set_resource(known->resource());
  migration.set_expected_gain_core_seconds(known->expected_gain_core_seconds());
  migration.set_expected_recovery(known->expected_recovery());
  const v1::WorkloadReport* victim = host.Find(known->victim());
  if (victim != nullptr && victim->has_slowdown_ratio()) {
    migration.set_victim_slowdown_before(victim->slowdown_ratio());
  } else if (known->has_victim_slowdown_before()) {
    migration.set_victim_slowdown_before(known->victim_slowdown_before());
  }
  return migration;
}

absl::StatusOr<v1::MigrateResponse> ControllerCore::Migrate(const v1::MigrateRequest& request, std::string_view who) {
  Pumps pumps;
  v1::MigrateResponse response;
  {
    absl::MutexLock lock(&mutex_);
    TRUCE_ASSIGN_OR_RETURN(v1::Migration migration, PlanMove(request, who));
    const Moment now = MomentOf(clock_);
    if (request.validate_only()) {
      TRUCE_RETURN_IF_ERROR(migrations_.MayBegin(migration, policy_, now));
      *response.mutable_migration() = std::move(migration);
      return response;
    }
    TRUCE_ASSIGN_OR_RETURN(*response.mutable_migration(), migrations_.Begin(std::move(migration), policy_, now));
    const v1::Migration& begun = response.migration();
    Tell(begun.source_host(), begun.workload(), "migration_begun",
         StrCat("moving ", Describe(begun), " has begun: ", begun.reason()));
    FollowMigrations(pumps);
  }
  for (const auto& sink : pumps) sink->Pump();
  return response;
}

absl::StatusOr<v1::VerifyMigrationResponse> ControllerCore::VerifyMigration(const v1::VerifyMigrationRequest& request,
                                                                            std::string_view who) {
  Pumps pumps;
  v1::VerifyMigrationResponse response;
  {
    absl::MutexLock lock(&mutex_);
    const Moment now = MomentOf(clock_);
    TRUCE_ASSIGN_OR_RETURN(*response.mutable_migration(), migrations_.MayVerify(request.migration_id(), who, now));
    for (const std::string* host : {&response.migration().source_host(), &response.migration().target_host()}) {
      if (!host->empty() && IsHeld(*host)) {
        return absl::FailedPreconditionError(StrCat("host ", *host, " is on hold; trucectl resume ends it"));
      }
    }
    if (request.validate_only()) return response;
    TRUCE_ASSIGN_OR_RETURN(*response.mutable_migration(), migrations_.Verify(request.migration_id(), who, now));
    const v1::Migration& migration = response.migration();
    Tell(migration.source_host(), migration.workload(), "migration_verified",
         StrCat(who, " asked to look again where ", Describe(migration), " stands"));
    FollowMigrations(pumps);
  }
  for (const auto& sink : pumps) sink->Pump();
  return response;
}

}  // namespace truce::controller
