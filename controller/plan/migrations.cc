#include "controller/plan/migrations.h"

#include <algorithm>

#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

constexpr absl::Duration kHour = absl::Hours(1);

std::string Describe(const v1::Migration& migration) {
  return StrCat(migration.workload(), " from ", migration.source_host(), " to ",
                migration.target_host().empty() ? std::string("where its cluster chooses") : migration.target_host());
}

std::vector<std::string_view> HostsOf(const v1::Migration& migration) {
  std::vector<std::string_view> hosts;
  for (const std::string* host : {&migration.source_host(), &migration.target_host()}) {
    if (!host->empty()) hosts.push_back(*host);
  }
  return hosts;
}

bool Involves(const v1::Migration& migration, std::string_view host) {
  return !host.empty() && (migration.source_host() == host || migration.target_host() == host);
}

}  // namespace

std::string Migrations::NewId() {
  return StrCat(id_prefix_, "-m", next_id_++);
}

void Migrations::Restore(std::vector<v1::Migration> stored, Moment now) {
  const auto age_of = [&](const google::protobuf::Timestamp& time) {
    // The wall clock may have been set meanwhile.
    return std::clamp(now.wall - ToTime(time), absl::ZeroDuration(), absl::Hours(24 * 365));
  };
  std::sort(stored.begin(), stored.end(), [](const v1::Migration& a, const v1::Migration& b) {
    return ToTime(a.changed_at()) < ToTime(b.changed_at());
  });
  for (v1::Migration& migration : stored) {
    const absl::Duration age = age_of(migration.created_at());
    if (age < kHour) {
      began_[""].push_back(now.monotonic - age);
      for (const std::string_view host : HostsOf(migration)) began_[std::string(host)].push_back(now.monotonic - age);
    }
    if (HasEnded(migration.phase())) {
      Remember(migration, now, age_of(migration.changed_at()));
    } else if (IsUnderWay(migration.phase())) {
      MigrationEntry& entry = open_[migration.migration_id()];
      entry.migration = std::move(migration);
      entry.phase_since = now.monotonic;
      entry.recovering = true;
      const v1::Migration& open = entry.migration;
      entry.adopted = open.source_host().empty() || (open.target_host().empty() && !ChoosesTarget(open.driver()));
    }
  }
  for (auto& [_, times] : began_) std::sort(times.begin(), times.end());
}

Migrations::Entries::iterator Migrations::ProposalOf(const v1::Migration& migration) {
  return std::find_if(open_.begin(), open_.end(), [&](const auto& entry) {
    const v1::Migration& other = entry.second.migration;
    return other.phase() == v1::MIGRATION_PHASE_PROPOSED && other.source_host() == migration.source_host() &&
           other.workload() == migration.workload();
  });
}

const v1::Migration& Migrations::Propose(v1::Migration migration, Moment now) {
  const auto known = ProposalOf(migration);
  migration.set_phase(v1::MIGRATION_PHASE_PROPOSED);
  SetTime(now.wall, migration.mutable_changed_at());
  if (known == open_.end()) {
    migration.set_migration_id(NewId());
    SetTime(now.wall, migration.mutable_created_at());
  } else {
    migration.set_migration_id(known->first);
    *migration.mutable_created_at() = known->second.migration.created_at();
  }
  MigrationEntry& entry = open_[migration.migration_id()];
  entry.migration = std::move(migration);
  entry.proposed_at = now.monotonic;
  return entry.migration;
}

size_t Migrations::BegunIn(std::string_view host, Moment now) const {
  const auto times = began_.find(host);
  if (times == began_.end()) return 0;
  return static_cast<size_t>(std::count_if(times->second.begin(), times->second.end(),
                                           [&](absl::Duration began) { return now.monotonic - began < kHour; }));
}

absl::Status Migrations::CheckNoOther(const v1::Migration& migration) const {
  for (const auto& [id, entry] : open_) {
    if (!IsUnderWay(entry.migration.phase())) continue;
    for (const std::string_view host : HostsOf(migration)) {
      if (!Involves(entry.migration, host)) continue;
      return absl::FailedPreconditionError(StrCat("host ", host, " has a migration under way (", id, ": ",
                                                  Describe(entry.migration), "); wait for its end"));
    }
  }
  return absl::OkStatus();
}

absl::Status Migrations::MayBegin(const v1::Migration& migration, const v1::Policy& policy, Moment now) const {
  TRUCE_RETURN_IF_ERROR(CheckNoOther(migration));
  for (const std::string_view host : HostsOf(migration)) {
    if (BegunIn(host, now) < policy.host_migrations_per_hour()) continue;
    return absl::FailedPreconditionError(StrCat("host ", host, " had its ", policy.host_migrations_per_hour(),
                                                " migrations of this hour (host_migrations_per_hour in the policy)"));
  }
  if (BegunIn("", now) >= policy.fleet_migrations_per_hour()) {
    return absl::FailedPreconditionError(StrCat("the fleet had its ", policy.fleet_migrations_per_hour(),
                                                " migrations of this hour (fleet_migrations_per_hour in the policy)"));
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::Migration> Migrations::Begin(v1::Migration migration, const v1::Policy& policy, Moment now) {
  TRUCE_RETURN_IF_ERROR(MayBegin(migration, policy, now));
  const auto proposal = ProposalOf(migration);
  migration.set_migration_id(proposal == open_.end() ? NewId() : proposal->first);
  migration.set_phase(v1::MIGRATION_PHASE_RESERVING);
  SetTime(now.wall, migration.mutable_created_at());
  SetTime(now.wall, migration.mutable_changed_at());
  MigrationEntry& entry = open_[migration.migration_id()] = MigrationEntry();
  entry.migration = std::move(migration);
  entry.phase_since = now.monotonic;
  began_[""].push_back(now.monotonic);
  for (const std::string_view host : HostsOf(entry.migration)) {
    began_[std::string(host)].push_back(now.monotonic);
    changed_hosts_.insert(std::string(host));
  }
  changed_.insert(entry.migration.migration_id());
  return entry.migration;
}

absl::StatusOr<v1::Migration> Migrations::MayVerify(std::string_view migration_id, std::string_view who,
                                                    Moment now) const {
  if (open_.contains(migration_id)) {
    return absl::FailedPreconditionError(StrCat("migration ", migration_id, " has not ended yet"));
  }
  const auto it = std::find_if(ended_.begin(), ended_.end(), [&](const v1::Migration& migration) {
    return migration.migration_id() == migration_id;
  });
  if (it == ended_.end()) {
    return absl::NotFoundError(StrCat("no migration ", migration_id, " is remembered; see trucectl get migrations"));
  }
  if (it->phase() != v1::MIGRATION_PHASE_UNCERTAIN) {
    return absl::FailedPreconditionError(
        StrCat("it is known how migration ", migration_id, " ended; only an uncertain one is looked at again"));
  }
  if (it->source_host().empty() || (it->target_host().empty() && !ChoosesTarget(it->driver()))) {
    return absl::FailedPreconditionError(
        StrCat("only ", it->source_host().empty() ? it->target_host() : it->source_host(), " ever spoke of migration ",
               migration_id, ", and its other host is not known before its agent speaks of it too"));
  }
  TRUCE_RETURN_IF_ERROR(CheckNoOther(*it));
  for (const std::string_view host : HostsOf(*it)) {
    if (SignOf(host).connected) continue;
    return absl::FailedPreconditionError(
        StrCat("host ", host, " is not connected, so it can't be asked; see trucectl get hosts"));
  }
  v1::Migration migration = *it;
  migration.set_phase(v1::MIGRATION_PHASE_VERIFYING);
  migration.set_detail(StrCat(who, " asked to look again"));
  migration.set_move_ordered(true);
  // Nobody remembers, so it is not ruled out.
  migration.set_may_have_run_on_target(true);
  migration.set_verifications(migration.verifications() + 1);
  // Only what they say from now on counts.
  migration.clear_source();
  migration.clear_target();
  SetTime(now.wall, migration.mutable_changed_at());
  return migration;
}

absl::StatusOr<v1::Migration> Migrations::Verify(std::string_view migration_id, std::string_view who, Moment now) {
  TRUCE_ASSIGN_OR_RETURN(v1::Migration migration, MayVerify(migration_id, who, now));
  std::erase_if(ended_, [&](const v1::Migration& ended) { return ended.migration_id() == migration_id; });
  MigrationEntry& entry = open_[migration.migration_id()];
  entry.migration = std::move(migration);
  entry.phase_since = now.monotonic;
  entry.looked_early = true;
  changed_.insert(entry.migration.migration_id());
  for (const std::string_view host : HostsOf(entry.migration)) changed_hosts_.insert(std::string(host));
  return entry.migration;
}

void Migrations::Remember(const v1::Migration& ended, Moment now, absl::Duration age) {
  ended_.push_back(ended);
  if (ended_.size() > kMostEnded) ended_.pop_front();
  const Rest rest{now.monotonic - age + kRest, ended.phase() == v1::MIGRATION_PHASE_MOVED};
  if (rest.moved) {
    for (const std::string& name : {ended.workload(), ended.target().workload()}) {
      if (!ended.target_host().empty() && !name.empty()) rests_[{ended.target_host(), name}] = rest;
    }
  } else if (ended.phase() != v1::MIGRATION_PHASE_WITHDRAWN) {
    rests_[{ended.source_host(), ended.workload()}] = rest;
  }
  const auto owed = OwedAfter(ended);
  if (!owed || age >= kOwed) return;
  const bool by_source = owed->first == v1::MIGRATION_ROLE_SOURCE;
  owed_.emplace(by_source ? ended.source_host() : ended.target_host(),
                Owed{ended, owed->first, owed->second, now.monotonic - age + kOwed});
}

Migrations::Entries::iterator Migrations::End(Entries::iterator it, Moment now) {
  const v1::Migration& migration = it->second.migration;
  Remember(migration, now, absl::ZeroDuration());
  just_ended_.push_back(migration);
  if (migration.phase() != v1::MIGRATION_PHASE_WITHDRAWN) changed_ended_.push_back(migration);
  changed_.erase(it->first);
  for (const std::string_view host : HostsOf(migration)) changed_hosts_.insert(std::string(host));
  return open_.erase(it);
}

void Migrations::Tick(const v1::Policy& policy, Moment now) {
  const absl::Duration lease = ToDuration(policy.lease_time_to_live());
  for (auto it = open_.begin(); it != open_.end();) {
    MigrationEntry& entry = it->second;
    v1::Migration& migration = entry.migration;
    if (migration.phase() == v1::MIGRATION_PHASE_PROPOSED && now.monotonic - entry.proposed_at >= kProposalAge) {
      migration.set_phase(v1::MIGRATION_PHASE_WITHDRAWN);
      migration.set_detail("it is no longer worth it, or no longer needed");
      SetTime(now.wall, migration.mutable_changed_at());
    } else if (migration.phase() == v1::MIGRATION_PHASE_PROPOSED) {
      ++it;
      continue;
    }
    const auto steps = [&] {
      return std::pair(StepOf(entry, v1::MIGRATION_ROLE_SOURCE), StepOf(entry, v1::MIGRATION_ROLE_TARGET));
    };
    const auto before = steps();
    const auto ran = [&] { return std::pair(migration.may_have_run_on_target(), migration.seen_on_target()); };
    const auto ran_before = ran();
    while (Advance(entry, {SignOf(migration.source_host()), SignOf(migration.target_host()), lease, now})) {
      changed_.insert(it->first);
    }
    // Also where its phase stays the same: who starts anew must not forget it.
    if (ran() != ran_before) changed_.insert(it->first);
    if (HasEnded(migration.phase())) {
      it = End(it, now);
      continue;
    }
    const auto after = steps();
    if (after.first != before.first) changed_hosts_.insert(migration.source_host());
    if (after.second != before.second) changed_hosts_.insert(migration.target_host());
    ++it;
  }
  std::erase_if(owed_, [&](const auto& owed) { return now.monotonic >= owed.second.until; });
  std::erase_if(rests_, [&](const auto& rest) { return now.monotonic >= rest.second.until; });
  for (auto& [_, times] : began_) {
    while (!times.empty() && now.monotonic - times.front() >= kHour) times.pop_front();
  }
  std::erase_if(began_, [](const auto& began) { return began.second.empty(); });
}

void Migrations::Hold(std::string_view host, std::string_view why, Moment now) {
  for (auto it = open_.begin(); it != open_.end();) {
    MigrationEntry& entry = it->second;
    if (!host.empty() && !Involves(entry.migration, host)) {
      ++it;
    } else if (entry.migration.phase() == v1::MIGRATION_PHASE_PROPOSED) {
      entry.migration.set_phase(v1::MIGRATION_PHASE_WITHDRAWN);
      entry.migration.set_detail(std::string(why));
      SetTime(now.wall, entry.migration.mutable_changed_at());
      it = End(it, now);
    } else {
      entry.hold = std::string(why);
      ++it;
    }
  }
}

void Migrations::SetActedOn(std::string_view migration_id, bool acted_on) {
  if (const auto it = open_.find(migration_id); it != open_.end()) it->second.acted_on = acted_on;
}

void Migrations::Stop(std::string_view migration_id, std::string_view why) {
  const auto it = open_.find(migration_id);
  if (it != open_.end() && it->second.hold.empty()) it->second.hold = std::string(why);
}

}  // namespace truce::controller
