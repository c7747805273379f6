#include "controller/serve/migration_writes.h"

#include "controller/plan/migration_steps.h"

namespace truce::controller {

uint64_t MigrationWrites::Begin(const v1::Migration& migration, absl::Duration now) {
  const std::string& id = migration.migration_id();
  const auto [it, is_new] = unstored_.try_emplace(id);
  if (is_new) it->second.since = now;
  it->second.migration = migration;
  it->second.number = next_++;
  it->second.refused_at = absl::InfiniteDuration();
  if (HasEnded(migration.phase())) {
    ordered_.erase({id, v1::MIGRATION_ROLE_SOURCE});
    ordered_.erase({id, v1::MIGRATION_ROLE_TARGET});
  }
  return it->second.number;
}

bool MigrationWrites::OnStored(const std::string& migration_id, uint64_t number, const absl::Status& status,
                               absl::Duration now) {
  const auto it = unstored_.find(migration_id);
  // It has changed since, and that is on its way.
  if (it == unstored_.end() || it->second.number != number) return false;
  if (!status.ok()) {
    it->second.refused_at = now;
    return false;
  }
  unstored_.erase(it);
  return true;
}

std::vector<v1::Migration> MigrationWrites::Due(absl::Duration now) const {
  std::vector<v1::Migration> due;
  for (const auto& [id, unstored] : unstored_) {
    if (now - unstored.refused_at >= kAgain) due.push_back(unstored.migration);
  }
  return due;
}

std::vector<std::string> MigrationWrites::Stuck(absl::Duration now) const {
  std::vector<std::string> stuck;
  for (const auto& [id, unstored] : unstored_) {
    const v1::MigrationPhase phase = unstored.migration.phase();
    const bool begins = phase == v1::MIGRATION_PHASE_RESERVING || phase == v1::MIGRATION_PHASE_MOVING;
    if (begins && now - unstored.since >= kPatience) stuck.push_back(id);
  }
  return stuck;
}

const v1::Migration* MigrationWrites::TakeUntold(const std::string& migration_id) {
  const auto it = unstored_.find(migration_id);
  if (it == unstored_.end() || std::exchange(it->second.told, true)) return nullptr;
  return &it->second.migration;
}

void MigrationWrites::HoldBack(absl::Duration now, const Predicate& only_renewed, const Predicate& open,
                               v1::DesiredSet* desired) {
  auto& orders = *desired->mutable_migrations();
  for (int i = 0; i < orders.size();) {
    v1::MigrationOrder& order = *orders.Mutable(i);
    const std::pair key(order.migration_id(), order.role());
    const auto unstored = unstored_.find(order.migration_id());
    const bool later = order.step() >= v1::MIGRATION_STEP_VERIFY;
    if (unstored == unstored_.end() || HasEnded(unstored->second.migration.phase()) ||
        only_renewed(order.migration_id()) || (later && now - unstored->second.since >= kPatience)) {
      if (open(order.migration_id())) ordered_[key] = order.step();
      ++i;
      continue;
    }
    if (const auto before = ordered_.find(key); before != ordered_.end()) {
      order.set_step(before->second);
      ++i;
    } else {
      orders.erase(orders.begin() + i);
    }
  }
}

}  // namespace truce::controller
