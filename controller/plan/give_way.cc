#include "controller/plan/give_way.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "controller/fleet/words.h"
#include "src/base/text.h"

namespace truce::controller {

bool AggressorGivesWay(const v1::WorkloadReport& victim, const v1::WorkloadReport& aggressor) {
  const auto& v = victim.workload();
  const auto& a = aggressor.workload();
  const int victim_rank = ClassRank(v.workload_class());
  const int aggressor_rank = ClassRank(a.workload_class());
  if (victim_rank != aggressor_rank) return aggressor_rank < victim_rank;
  if (v.priority() != a.priority()) return a.priority() < v.priority();
  return HostState::CpuUsage(aggressor).value_or(0) >= HostState::CpuUsage(victim).value_or(0);
}

std::string WhyGivesWay(const v1::WorkloadReport& giver, const v1::WorkloadReport& other) {
  const auto& g = giver.workload();
  const auto& o = other.workload();
  if (ClassRank(g.workload_class()) != ClassRank(o.workload_class())) {
    return StrCat(g.name(), " is ", ClassWord(g.workload_class()), " and ", o.name(), " is ",
                  ClassWord(o.workload_class()));
  }
  if (g.priority() != o.priority()) {
    return StrCat(g.name(), " has priority ", g.priority(), " and ", o.name(), " ", o.priority());
  }
  return absl::StrFormat("%s uses %.2f cores and %s %.2f", g.name(), HostState::CpuUsage(giver).value_or(0), o.name(),
                         HostState::CpuUsage(other).value_or(0));
}

Contention ContentionOf(const v1::WorkloadReport& victim, const v1::WorkloadReport& giver, v1::Resource resource) {
  return {.victim_application = victim.workload().application(),
          .giver_application = giver.workload().application(),
          .resource = resource,
          .giver_class = giver.workload().workload_class(),
          .victim_critical = victim.workload().workload_class() == v1::WORKLOAD_CLASS_CRITICAL};
}

bool HasLever(v1::Resource resource) {
  return !LeversFor(resource).empty();
}

bool IsBoost(const v1::LeasedAction& action) {
  return action.lever() == v1::LEVER_CPU_WEIGHT && action.workload() == action.victim();
}

bool IsAboutCpus(v1::Lever lever) {
  return lever != v1::LEVER_MEMORY_SQUEEZE && lever != v1::LEVER_DISK_CAP && lever != v1::LEVER_NETWORK_CAP;
}

bool Allows(const v1::Workload& workload, v1::Lever lever) {
  const auto& allowed = workload.allowed_levers();
  return std::find(allowed.begin(), allowed.end(), static_cast<int>(lever)) != allowed.end();
}

std::optional<std::string> HostLacks(const v1::HostInventory& inventory, v1::Lever lever) {
  std::string_view needed = "cpu";
  if (lever == v1::LEVER_CPU_PIN) needed = "cpuset";
  if (lever == v1::LEVER_MEMORY_SQUEEZE) needed = "memory";
  if (lever == v1::LEVER_DISK_CAP) needed = "io";
  if (lever == v1::LEVER_NETWORK_CAP) needed = "network";
  if (lever == v1::LEVER_CACHE_CLASS) needed = "resctrl";
  for (const auto& missing : inventory.missing()) {
    if (missing.name() == needed) return StrCat(missing.name(), ": ", missing.reason());
  }
  // An agent of an earlier version knows nothing of them, and so does not miss them.
  if (lever == v1::LEVER_CACHE_CLASS && !inventory.cache_control().available()) {
    return "resctrl: the agent names no classes of cache and memory bandwidth";
  }
  return std::nullopt;
}

}  // namespace truce::controller
