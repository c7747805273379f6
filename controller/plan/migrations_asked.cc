// The part of Migrations that others ask: what is under way, proposed, changed or over.
#include <algorithm>
#include <tuple>
#include <utility>

#include "controller/plan/migrations.h"

namespace truce::controller {
namespace {

auto CreationOrder(const v1::Migration& migration) {
  return std::tuple(migration.created_at().seconds(), migration.created_at().nanos(), migration.migration_id());
}

}  // namespace

bool Migrations::IsBusy(std::string_view host, std::string_view workload, Moment now) const {
  for (const auto& [_, entry] : open_) {
    const v1::Migration& migration = entry.migration;
    if (!IsUnderWay(migration.phase())) continue;
    if (migration.source_host() == host && migration.workload() == workload) return true;
    if (migration.target_host() == host && !host.empty() &&
        (migration.workload() == workload || migration.target().workload() == workload)) {
      return true;
    }
  }
  const auto rest = rests_.find({std::string(host), std::string(workload)});
  return rest != rests_.end() && rest->second.moved && now.monotonic < rest->second.until;
}

bool Migrations::WasTriedLately(std::string_view host, std::string_view workload, Moment now) const {
  const auto rest = rests_.find({std::string(host), std::string(workload)});
  return rest != rests_.end() && !rest->second.moved && now.monotonic < rest->second.until;
}

const v1::Migration* Migrations::Find(std::string_view host, std::string_view workload) const {
  for (const auto& [_, entry] : open_) {
    if (entry.migration.source_host() == host && entry.migration.workload() == workload) return &entry.migration;
  }
  return nullptr;
}

const v1::Migration* Migrations::Get(std::string_view migration_id) const {
  const auto it = open_.find(migration_id);
  return it == open_.end() ? nullptr : &it->second.migration;
}

bool Migrations::IsRecovering(std::string_view migration_id) const {
  const auto it = open_.find(migration_id);
  return it != open_.end() && it->second.recovering;
}

std::vector<const v1::Migration*> Migrations::Reserving() const {
  std::vector<const v1::Migration*> reserving;
  for (const auto& [_, entry] : open_) {
    if (entry.migration.phase() == v1::MIGRATION_PHASE_RESERVING) reserving.push_back(&entry.migration);
  }
  return reserving;
}

std::map<std::string, pack::PlaceResources, std::less<>> Migrations::Reserved() const {
  std::map<std::string, pack::PlaceResources, std::less<>> reserved;
  for (const auto& [_, entry] : open_) {
    const v1::Migration& migration = entry.migration;
    if (!IsUnderWay(migration.phase()) || migration.target_host().empty()) continue;
    pack::PlaceResources& demand = reserved[migration.target_host()];
    demand[kPlaceCpuCores] += migration.cpu_cores();
    demand[kPlaceMemoryBytes] += static_cast<double>(migration.memory_bytes());
  }
  return reserved;
}

std::vector<v1::Migration> Migrations::TakeEnded() {
  return std::exchange(just_ended_, {});
}

std::vector<v1::Migration> Migrations::TakeChanged() {
  std::vector<v1::Migration> changed = std::exchange(changed_ended_, {});
  for (const std::string& id : std::exchange(changed_, {})) changed.push_back(open_.at(id).migration);
  return changed;
}

std::vector<std::string> Migrations::TakeChangedHosts() {
  changed_hosts_.erase("");
  std::vector<std::string> hosts(changed_hosts_.begin(), changed_hosts_.end());
  changed_hosts_.clear();
  return hosts;
}

std::vector<v1::Migration> Migrations::Open() const {
  std::vector<v1::Migration> open;
  for (const auto& [_, entry] : open_) open.push_back(entry.migration);
  return open;
}

std::vector<v1::Migration> Migrations::List() const {
  std::vector<v1::Migration> all = Open();
  all.insert(all.end(), ended_.begin(), ended_.end());
  std::stable_sort(all.begin(), all.end(),
                   [](const v1::Migration& a, const v1::Migration& b) { return CreationOrder(a) < CreationOrder(b); });
  return all;
}

}  // namespace truce::controller
