#include "controller/plan/move.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/str_join.h"
#include "controller/fleet/words.h"
#include "controller/plan/give_way.h"
#include "controller/plan/policy.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

constexpr size_t kNamed = 5;
// Of the hosts that suit best, so many are looked at for what would hurt it there.
constexpr size_t kLookedAt = 20;
constexpr int kMostAvoided = 32;

double MemoryOf(const v1::WorkloadReport& workload) {
  return std::max(workload.readings().memory_usage_bytes(), workload.readings().memory_working_set_bytes());
}

double CopySeconds(double bytes) {
  return bytes * kDirtyFactor / kCopyBytesPerSecond;
}

bool IsLive(std::string_view driver) {
  return driver == "libvirt" || driver == "qemu";
}

v1::WorkloadDescription Describe(const v1::WorkloadReport& workload) {
  v1::WorkloadDescription description;
  description.set_application(workload.workload().application());
  description.set_workload_class(workload.workload().workload_class());
  description.set_priority(workload.workload().priority());
  description.set_cpu_cores(std::max(HostState::CpuP95(workload), HostState::CpuUsage(workload).value_or(0)));
  description.set_memory_bytes(static_cast<uint64_t>(MemoryOf(workload)));
  return description;
}

bool IsHeld(const Elsewhere& elsewhere, const std::string& host) {
  return elsewhere.holds.get().contains("") || elsewhere.holds.get().contains(host);
}

// Whether any pair there scores what the planner acts on, of whomever.
bool IsTroubled(const HostState& host, const v1::Policy& policy) {
  return host.summary.worst_score >= ThresholdOf(policy, v1::Workload(), v1::Workload()).trigger_score();
}

class Search {
 public:
  Search(const MoveWish& wish, const Elsewhere& elsewhere, const Arbiter& arbiter, const v1::Policy& policy, Moment now)
      : wish_(wish),
        elsewhere_(elsewhere),
        arbiter_(arbiter),
        policy_(policy),
        now_(now),
        description_(Describe(wish.workload)) {}

  // Why it can't come to the host at all; nullopt when it can.
  std::optional<std::string> CantReceive(const HostState& host, const std::string& driver) const {
    if (auto why_not = IsUnable(host, driver)) return why_not;
    const v1::HostScore score = Score(host);
    return score.fits() ? std::nullopt : std::optional(score.reason());
  }

  // The part of that which is not about room.
  std::optional<std::string> IsUnable(const HostState& host, const std::string& driver) const {
    const auto& drivers = host.inventory.migration_drivers();
    if (host.name == wish_.source.name) return "it is there already";
    if (!host.connected) return "its agent is not connected";
    if (!host.reported) return "its agent has not reported yet";
    if (IsHeld(elsewhere_, host.name)) return "it is on hold";
    if (std::find(drivers.begin(), drivers.end(), driver) == drivers.end()) {
      return StrCat("it can't receive by ", driver,
                    drivers.empty() ? std::string() : StrCat(" (but by ", absl::StrJoin(drivers, ", "), ")"));
    }
    if (host.mode_ceiling < v1::MODE_ENFORCE) {
      return StrCat("its own configuration allows no more than ", ModeWord(host.mode_ceiling));
    }
    return std::nullopt;
  }

  v1::HostScore Score(const HostState& host) const { return elsewhere_.places.get().ScoreOn(host.name, description_); }

  // The share of its CPUs or memory, whichever is smaller, that stays free there.
  double FreeThen(const HostState& host, const v1::HostScore& score) const {
    const double cpus = std::max(1, host.inventory.cpus_size());
    const double memory = std::max(1.0, static_cast<double>(host.inventory.memory_bytes()));
    return std::min(
        (score.free_cpu_cores() - description_.cpu_cores()) / cpus,
        (static_cast<double>(score.free_memory_bytes()) - static_cast<double>(description_.memory_bytes())) / memory);
  }

  // Why it would not get on there, as far as anybody knows.
  std::optional<std::string> WouldContend(const HostState& host) const {
    const std::string& mine = wish_.workload.workload().application();
    for (const auto& report : host.report.workloads()) {
      const std::string& theirs = report.workload().application();
      if (theirs.empty()) continue;
      const bool known = !mine.empty() && arbiter_.HaveContended(mine, theirs);
      if (theirs == wish_.shunned_application || known) return StrCat(theirs, " runs there, with which it contends");
    }
    return std::nullopt;
  }

  // The host that suits best, or (absent) why none does.
  std::optional<std::string> Best(const std::string& driver) {
    std::vector<std::pair<double, const HostState*>> suitable;
    for (const auto& [name, host] : elsewhere_.fleet.get().hosts()) {
      auto why_not = IsUnable(host, driver);
      if (!why_not && IsTroubled(host, policy_)) why_not = "it has a pair in trouble itself";
      if (why_not) {
        Note(name, *why_not);
        continue;
      }
      const v1::HostScore score = Score(host);
      if (!score.fits() || FreeThen(host, score) < kLeastTargetFree) {
        Note(name, score.fits() ? StrCat("too little would stay free: ", score.reason()) : score.reason());
        continue;
      }
      suitable.emplace_back(name == wish_.preferred_host ? 101 : score.score(), &host);
    }
    std::sort(suitable.begin(), suitable.end(), [](const auto& a, const auto& b) {
      return a.first != b.first ? a.first > b.first : a.second->name < b.second->name;
    });
    suitable.resize(std::min(suitable.size(), kLookedAt));
    for (const auto& [_, host] : suitable) {
      const auto why_not = WouldContend(*host);
      if (!why_not) return host->name;
      Note(host->name, *why_not);
    }
    return std::nullopt;
  }

  // Names of hosts that could receive it by any of the drivers.
  std::string Candidates(const std::vector<std::string>& drivers) const {
    std::vector<std::string> names;
    for (const auto& [name, host] : elsewhere_.fleet.get().hosts()) {
      const bool can = std::any_of(drivers.begin(), drivers.end(),
                                   [&, one = &host](const std::string& driver) { return !CantReceive(*one, driver); });
      if (can) names.push_back(name);
    }
    if (names.empty()) return "no host can";
    const size_t more = names.size() > kNamed ? names.size() - kNamed : 0;
    names.resize(names.size() - more);
    return StrCat("these can: ", absl::StrJoin(names, ", "), more > 0 ? StrCat(" and ", more, " more") : std::string());
  }
  std::string WhyNone() const {
    if (why_none_.empty()) return "no other host is known";
    return StrCat(absl::StrJoin(why_none_, "; "), others_ > 0 ? StrCat("; and ", others_, " more") : std::string());
  }

 private:
  void Note(const std::string& host, std::string_view why) {
    if (host == wish_.source.name) return;
    if (why_none_.size() < kNamed) {
      why_none_.push_back(StrCat(host, ": ", why));
    } else {
      ++others_;
    }
  }

  const MoveWish& wish_;
  const Elsewhere& elsewhere_;
  const Arbiter& arbiter_;
  const v1::Policy& policy_;
  const Moment now_;
  const v1::WorkloadDescription description_;
  std::vector<std::string> why_none_;
  size_t others_ = 0;
};

absl::StatusOr<std::vector<std::string>> Drivers(const MoveWish& wish) {
  const v1::Workload& workload = wish.workload.workload();
  const auto& able = workload.migration_drivers();
  std::vector<std::string> drivers(able.begin(), able.end());
  if (!wish.driver.empty()) {
    if (std::find(drivers.begin(), drivers.end(), wish.driver) == drivers.end()) {
      return absl::InvalidArgumentError(StrCat(workload.name(), " can't be moved by \"", wish.driver,
                                               "\"; it can be by: ", absl::StrJoin(drivers, ", ")));
    }
    drivers = {wish.driver};
  }
  if (wish.target_host.empty()) return drivers;
  std::erase_if(drivers, ChoosesTarget);
  if (!drivers.empty()) return drivers;
  return absl::InvalidArgumentError(
      StrCat("by ", absl::StrJoin(able, ", "), " somebody else chooses the host; leave the target out"));
}

// Of a workload that no driver of its host can move: why, and what to do.
std::string NoWay(const HostState& source, const std::string& workload) {
  std::string not_ready;
  for (const auto& missing : source.inventory.missing()) {
    if (missing.name() == "migration") not_ready = missing.reason();
  }
  const auto& ready = source.inventory.migration_drivers();
  if (ready.empty() && not_ready.empty()) {
    return StrCat("host ", source.name, " has no way to move anything; name one in migration.drivers of its agent");
  }
  if (ready.empty()) {
    return StrCat("host ", source.name,
                  " is not ready to move anything by what is in migration.drivers of its agent: ", not_ready);
  }
  return StrCat("host ", source.name, " moves workloads by ", absl::StrJoin(ready, ", "), ", and ", workload,
                " is nothing that can be moved so", not_ready.empty() ? "" : "; not ready is ", not_ready);
}

}  // namespace

absl::Status CheckMovable(const HostState& source, const v1::WorkloadReport& report) {
  const v1::Workload& workload = report.workload();
  if (workload.workload_class() == v1::WORKLOAD_CLASS_CRITICAL) {
    return absl::FailedPreconditionError(StrCat(workload.name(), " is critical and is never moved"));
  }
  if (!Allows(workload, v1::LEVER_MIGRATE)) {
    return absl::FailedPreconditionError(StrCat("migrate is not among the allowed levers of ", workload.name(),
                                                "; add it to the levers of its rule on ", source.name,
                                                " (discovery.rules)"));
  }
  if (workload.migration_drivers().empty()) {
    return absl::FailedPreconditionError(NoWay(source, workload.name()));
  }
  if (!HostState::CpuUsage(report).has_value() || MemoryOf(report) <= 0) {
    return absl::FailedPreconditionError(StrCat("what ", workload.name(),
                                                " uses of CPU and memory is not known, so no "
                                                "host can be found that has room for it"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Destination> FindDestination(const MoveWish& wish, const Elsewhere& elsewhere, const Arbiter& arbiter,
                                            const v1::Policy& policy, Moment now) {
  TRUCE_ASSIGN_OR_RETURN(const std::vector<std::string> drivers, Drivers(wish));
  Search search(wish, elsewhere, arbiter, policy, now);
  std::vector<std::string> reasons;
  for (const std::string& driver : drivers) {
    if (ChoosesTarget(driver)) return Destination{driver, ""};
    if (wish.target_host.empty()) {
      if (auto best = search.Best(driver)) return Destination{driver, *std::move(best)};
      continue;
    }
    const HostState* target = elsewhere.fleet.get().Find(wish.target_host);
    const auto why_not = target == nullptr ? std::string("no such host is known") : search.CantReceive(*target, driver);
    if (!why_not) return Destination{driver, wish.target_host};
    reasons.push_back(*why_not);
  }
  const std::string& name = wish.workload.workload().name();
  if (!wish.target_host.empty()) {
    return absl::FailedPreconditionError(StrCat("host ", wish.target_host, " can't receive ", name, ": ",
                                                absl::StrJoin(reasons, "; "), "; ", search.Candidates(drivers)));
  }
  return absl::FailedPreconditionError(StrCat("no host suits ", name, " (", search.WhyNone(), ")"));
}

double MoveCost(const v1::WorkloadReport& workload, std::string_view driver) {
  const double cores = HostState::CpuUsage(workload).value_or(0);
  if (ChoosesTarget(driver)) return cores * kRestartSeconds;
  const double copy_seconds = CopySeconds(MemoryOf(workload));
  const double standstill_seconds =
      IsLive(driver) ? kLiveStandstillSeconds + kLiveLossRatio * copy_seconds : copy_seconds;
  return cores * standstill_seconds + kCopyCores * copy_seconds;
}

double MeasuredMoveCost(double cpu_cores, absl::Duration downtime, uint64_t moved_bytes) {
  return cpu_cores * absl::ToDoubleSeconds(downtime) +
         kCopyCores * static_cast<double>(moved_bytes) / kCopyBytesPerSecond;
}

double MoveGain(const v1::WorkloadReport& victim, double slowdown) {
  const int rank = ClassRank(victim.workload().workload_class());
  const double weight = rank == 3 ? 4 : rank == 2 ? 1 : 0.5;
  return weight * slowdown * HostState::CpuUsage(victim).value_or(0) * absl::ToDoubleSeconds(kMoveHorizon);
}

v1::Migration DescribeMove(const MoveWish& wish, const Destination& destination, const Elsewhere& elsewhere,
                           const v1::Policy& policy) {
  const v1::Workload& workload = wish.workload.workload();
  const v1::WorkloadDescription description = Describe(wish.workload);
  v1::Migration migration;
  migration.set_workload(workload.name());
  migration.set_workload_instance(workload.instance());
  migration.set_application(workload.application());
  migration.set_workload_class(workload.workload_class());
  migration.set_source_host(wish.source.name);
  migration.set_target_host(destination.target_host);
  migration.set_driver(destination.driver);
  migration.set_memory_bytes(description.memory_bytes());
  migration.set_cpu_cores(description.cpu_cores());
  migration.set_expected_cost_core_seconds(MoveCost(wish.workload, destination.driver));
  migration.set_source_journal(wish.source.inventory.migration_journal());
  if (!destination.target_host.empty()) {
    const HostState* target = elsewhere.fleet.get().Find(destination.target_host);
    if (target != nullptr) migration.set_target_journal(target->inventory.migration_journal());
    return migration;
  }
  migration.add_avoid_hosts(wish.source.name);
  for (const auto& [name, host] : elsewhere.fleet.get().hosts()) {
    if (migration.avoid_hosts_size() >= kMostAvoided) break;
    const bool avoid = IsHeld(elsewhere, name) || IsTroubled(host, policy);
    if (avoid && name != wish.source.name) migration.add_avoid_hosts(name);
  }
  return migration;
}

}  // namespace truce::controller
