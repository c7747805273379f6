// The part of Migrations that hosts see: what they say, and what they are ordered.
#include <algorithm>

#include "controller/plan/migrations.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

void AddOrder(const v1::Migration& migration, v1::MigrationRole role, v1::MigrationStep step, const v1::Policy& policy,
              v1::DesiredSet* desired) {
  const bool is_source = role == v1::MIGRATION_ROLE_SOURCE;
  v1::MigrationOrder& order = *desired->add_migrations();
  order.set_migration_id(migration.migration_id());
  order.set_role(role);
  order.set_step(step);
  order.set_driver(migration.driver());
  order.set_workload(migration.workload());
  order.set_workload_instance(migration.workload_instance());
  order.set_application(migration.application());
  order.set_workload_class(migration.workload_class());
  order.set_peer_host(is_source ? migration.target_host() : migration.source_host());
  order.set_endpoint(migration.target().endpoint());
  order.set_memory_bytes(migration.memory_bytes());
  order.set_cpu_cores(migration.cpu_cores());
  *order.mutable_time_to_live() = policy.lease_time_to_live();
  order.set_mode(v1::MODE_ENFORCE);
  order.set_victim(migration.victim());
  order.set_reason(migration.reason());
  *order.mutable_avoid_hosts() = migration.avoid_hosts();
  order.set_journal(is_source ? migration.source_journal() : migration.target_journal());
}

}  // namespace

const HostSign& Migrations::SignOf(std::string_view host) const {
  static const auto* const kNeverHeard = new HostSign();
  const auto it = signs_.find(host);
  return it == signs_.end() ? *kNeverHeard : it->second;
}

void Migrations::OnLost(std::string_view host, Moment now) {
  HostSign& sign = signs_[std::string(host)];
  if (sign.connected) sign.lost_at = now.monotonic;
  sign.connected = false;
}

void Migrations::OnStatuses(std::string_view host,
                            const google::protobuf::RepeatedPtrField<v1::MigrationStatus>& statuses, Moment now) {
  HostSign& sign = signs_[std::string(host)];
  sign.spoke = true;
  sign.connected = true;
  for (const v1::MigrationStatus& status : statuses) OnStatus(host, status, now);
  DropOwed(host, statuses);
}

void Migrations::OnStatus(std::string_view host, const v1::MigrationStatus& status, Moment now) {
  LearnHostOfEnded(host, status);
  const auto it = open_.find(status.migration_id());
  MigrationEntry* entry = it == open_.end() ? Adopt(status, now) : &it->second;
  if (entry == nullptr || !Belongs(host, status, entry)) return;
  v1::Migration& migration = entry->migration;
  const bool is_source = status.role() == v1::MIGRATION_ROLE_SOURCE;
  v1::MigrationStatus& last = is_source ? *migration.mutable_source() : *migration.mutable_target();
  // What is said with some steps only, and needed to the end.
  v1::MigrationStatus now_said = status;
  if (status.workload().empty()) now_said.set_workload(last.workload());
  if (status.endpoint().empty()) now_said.set_endpoint(last.endpoint());
  if (status.moved_bytes() == 0) now_said.set_moved_bytes(last.moved_bytes());
  if (!status.has_downtime() && last.has_downtime()) *now_said.mutable_downtime() = last.downtime();
  last = std::move(now_said);
  (is_source ? entry->source_spoke_of_it : entry->target_spoke_of_it) = true;
}

bool Migrations::Belongs(std::string_view host, const v1::MigrationStatus& status, MigrationEntry* entry) {
  v1::Migration& migration = entry->migration;
  if (!IsUnderWay(migration.phase())) return false;
  const bool is_source = status.role() == v1::MIGRATION_ROLE_SOURCE;
  std::string* mine = is_source ? migration.mutable_source_host() : migration.mutable_target_host();
  const std::string& other = is_source ? migration.target_host() : migration.source_host();
  if (entry->adopted && mine->empty() && other != host) {
    *mine = std::string(host);
    if (migration.driver().empty()) migration.set_driver(status.driver());
    if (is_source || migration.workload().empty()) migration.set_workload(status.workload());
  }
  return *mine == host;
}

// Of one that was adopted and ended before its other host was heard.
void Migrations::LearnHostOfEnded(std::string_view host, const v1::MigrationStatus& status) {
  const auto it = std::find_if(ended_.begin(), ended_.end(), [&](const v1::Migration& migration) {
    return migration.migration_id() == status.migration_id() && migration.phase() == v1::MIGRATION_PHASE_UNCERTAIN;
  });
  if (it == ended_.end()) return;
  const bool is_source = status.role() == v1::MIGRATION_ROLE_SOURCE;
  std::string* mine = is_source ? it->mutable_source_host() : it->mutable_target_host();
  const std::string& other = is_source ? it->target_host() : it->source_host();
  if (!mine->empty() || other == host || (!is_source && ChoosesTarget(it->driver()))) return;
  *mine = std::string(host);
  if (it->driver().empty()) it->set_driver(status.driver());
  if (is_source || it->workload().empty()) it->set_workload(status.workload());
  changed_ended_.push_back(*it);
}

MigrationEntry* Migrations::Adopt(const v1::MigrationStatus& status, Moment now) {
  const bool is_known = std::any_of(ended_.begin(), ended_.end(), [&](const v1::Migration& migration) {
    return migration.migration_id() == status.migration_id();
  });
  const auto adopted =
      std::count_if(open_.begin(), open_.end(), [](const auto& entry) { return entry.second.adopted; });
  if (is_known || status.migration_id().empty() || static_cast<size_t>(adopted) >= kMostAdopted) return nullptr;
  MigrationEntry& entry = open_[status.migration_id()];
  entry.adopted = true;
  entry.recovering = true;
  entry.phase_since = now.monotonic;
  entry.migration.set_migration_id(status.migration_id());
  entry.migration.set_phase(v1::MIGRATION_PHASE_VERIFYING);
  entry.migration.set_move_ordered(true);
  entry.migration.set_reason("an earlier controller began it, and this one learned of it from a host");
  SetTime(now.wall, entry.migration.mutable_created_at());
  SetTime(now.wall, entry.migration.mutable_changed_at());
  changed_.insert(status.migration_id());
  return &entry;
}

void Migrations::DropOwed(std::string_view host,
                          const google::protobuf::RepeatedPtrField<v1::MigrationStatus>& statuses) {
  const auto [first, last] = owed_.equal_range(host);
  for (auto it = first; it != last;) {
    const Owed& owed = it->second;
    // Who doesn't speak of it any more has nothing of it left.
    const bool still_owed = std::any_of(statuses.begin(), statuses.end(), [&](const v1::MigrationStatus& status) {
      return status.migration_id() == owed.migration.migration_id() && status.role() == owed.role &&
             !IsOver(status, owed.step);
    });
    it = still_owed ? std::next(it) : owed_.erase(it);
  }
}

void Migrations::FillOrders(std::string_view host, const v1::Policy& policy, v1::DesiredSet* desired) const {
  for (const auto& [_, entry] : open_) {
    const v1::Migration& migration = entry.migration;
    for (const auto role : {v1::MIGRATION_ROLE_SOURCE, v1::MIGRATION_ROLE_TARGET}) {
      const bool is_source = role == v1::MIGRATION_ROLE_SOURCE;
      if ((is_source ? migration.source_host() : migration.target_host()) != host) continue;
      if (const auto step = StepOf(entry, role)) AddOrder(migration, role, *step, policy, desired);
    }
  }
  const auto [first, last] = owed_.equal_range(host);
  for (auto it = first; it != last; ++it) {
    AddOrder(it->second.migration, it->second.role, it->second.step, policy, desired);
  }
}

}  // namespace truce::controller
