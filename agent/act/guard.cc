#include "agent/act/guard.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"
#include "src/base/enum_words.h"
#include "src/base/text.h"
#include "src/host/file.h"

namespace truce::agent {
namespace {

// Larger than any action that a controller makes; what is larger is nonsense and would go to the journal.
constexpr size_t kLargestAction = 16 * 1024;
constexpr size_t kLongestLeaseId = 256;

// Who is gone now may be back under its name by then, and the controller knows of it.
constexpr absl::Duration kAbsentBackoff = absl::Seconds(10);

Verdict Refuse(std::string reason, absl::Duration retry_after = absl::ZeroDuration()) {
  return {.kind = Verdict::Kind::kRefuse, .reason = std::move(reason), .retry_after = retry_after};
}

// Zero when it is missing or no duration at all.
absl::Duration TimeToLive(const v1::LeasedAction& action) {
  const auto& wire = action.time_to_live();
  if (!action.has_time_to_live() || wire.seconds() < 0 || wire.nanos() < 0 || wire.nanos() > 999'999'999) {
    return absl::ZeroDuration();
  }
  return absl::Seconds(wire.seconds()) + absl::Nanoseconds(wire.nanos());
}

std::optional<std::string> BadShape(const v1::LeasedAction& action) {
  if (action.lease_id().empty()) return "the action has no lease id";
  if (action.lease_id().size() > kLongestLeaseId) return StrCat("the lease id is longer than ", kLongestLeaseId);
  if (action.workload().empty()) return "the action names no workload";
  if (action.ByteSizeLong() > kLargestAction) return "the action is larger than any sensible one";
  if (!KnowsLever(action.lever())) {
    return StrCat(LeverName(action.lever()), " is not a lever that this agent knows");
  }
  if (TimeToLive(action) <= absl::ZeroDuration()) {
    return "the lease has no time to live; no lease, no change";
  }
  return std::nullopt;
}

// The lower of what the host allows and what the controller asks for.
v1::Mode ModeOf(const v1::LeasedAction& action, const ActionTarget& target) {
  if (action.mode() == v1::MODE_UNSPECIFIED) return target.mode;
  return std::min(action.mode(), target.mode);
}

std::optional<std::string> NotAllowed(const v1::LeasedAction& action, const ActionTarget& target) {
  if (target.workload_class == v1::WORKLOAD_CLASS_CRITICAL && !IsBoost(action)) {
    return StrCat(target.name, " is critical, and a critical workload is never reduced");
  }
  if (action.lever() == v1::LEVER_CPU_IDLE && target.workload_class != v1::WORKLOAD_CLASS_BEST_EFFORT) {
    return StrCat("cpu_idle may leave a workload without any CPU for long, so it is for best effort; ", target.name,
                  " is ", EnumWord(target.workload_class));
  }
  if (target.workload_class == v1::WORKLOAD_CLASS_UNSPECIFIED) {
    return StrCat("the class of ", target.name, " is not known, so it is not touched");
  }
  const v1::Mode mode = ModeOf(action, target);
  if (mode != v1::MODE_ADVISE && mode != v1::MODE_ENFORCE) {
    return StrCat(target.name,
                  " is in mode observe; `trucectl set mode` changes that, as far as the ceiling in the "
                  "host's own configuration allows");
  }
  const auto& allowed = target.allowed_levers;
  if (std::find(allowed.begin(), allowed.end(), action.lever()) == allowed.end()) {
    return StrCat(LeverName(action.lever()), " is not in the list of levers allowed on ", target.name);
  }
  if (!target.owner_refusal.empty()) return target.owner_refusal;
  return PinProblem(action, target);
}

// The CPU of `wanted` that is not in `allowed`; both sorted.
std::optional<int> Outside(const std::vector<int>& wanted, const std::vector<int>& allowed) {
  for (const int cpu : wanted) {
    if (!std::binary_search(allowed.begin(), allowed.end(), cpu)) return cpu;
  }
  return std::nullopt;
}

}  // namespace

Verdict Decide(const v1::LeasedAction& action, const GuardFacts& facts, const ActuatorOptions& options) {
  if (auto problem = BadShape(action)) return Refuse(*std::move(problem));
  if (facts.hold) return Refuse("the host is on hold; `trucectl resume` ends that");
  if (!facts.target) return Refuse(StrCat("no workload ", action.workload(), " lives on this host"), kAbsentBackoff);
  const uint64_t instance = facts.target->instance;
  if (action.workload_instance() != 0 && action.workload_instance() != instance) {
    return Refuse(StrCat(facts.target->name, " was removed and made again: it is instance ", instance, " now and not ",
                         action.workload_instance()),
                  kAbsentBackoff);
  }
  if (auto problem = NotAllowed(action, *facts.target)) return Refuse(*std::move(problem));
  if (facts.duplicate) {
    return Refuse(StrCat("an earlier action of this set has the lease id ", action.lease_id(), " or changes ",
                         action.workload(), " by ", LeverName(action.lever()), " too"));
  }
  if (facts.futile_for > absl::ZeroDuration()) {
    Verdict verdict =
        Refuse(StrCat(LeverName(action.lever()), " on ", action.workload(), " did not help ",
                      action.victim().empty() ? "anybody" : action.victim(), " and is not tried again for ",
                      absl::FormatDuration(absl::Ceil(facts.futile_for, absl::Seconds(1)))));
    verdict.retry_after = facts.futile_for;
    return verdict;
  }
  const bool enforce = ModeOf(action, *facts.target) == v1::MODE_ENFORCE;
  Verdict verdict{.kind = enforce ? Verdict::Kind::kApply : Verdict::Kind::kAdvise,
                  .time_to_live = std::min(TimeToLive(action), options.longest_lease)};
  if (auto problem = BadLeverValue(action, options.floors)) {
    verdict.kind = Verdict::Kind::kRefuse;
    verdict.reason = *std::move(problem);
    verdict.keeps_held = enforce;
  }
  return verdict;
}

bool IsBoost(const v1::LeasedAction& action) {
  return action.lever() == v1::LEVER_CPU_WEIGHT && action.workload() == action.victim();
}

std::optional<std::string> PinProblem(const v1::LeasedAction& action, const ActionTarget& target) {
  if (action.lever() != v1::LEVER_CPU_PIN) return std::nullopt;
  if (!target.pin_refusal.empty()) return target.pin_refusal;
  // A list that makes no sense is refused for that.
  if (target.exclusive_cpus.empty() || BadLeverValue(action, LeverFloors())) return std::nullopt;
  const auto wanted = host::ParseCpuList(action.cpus());
  if (!wanted.ok()) return std::nullopt;
  for (const int cpu : *wanted) {
    if (!std::binary_search(target.exclusive_cpus.begin(), target.exclusive_cpus.end(), cpu)) continue;
    return StrCat("CPU ", cpu, " was given to one container alone by kubelet's static CPU manager, as were ",
                  host::FormatCpuList(target.exclusive_cpus), "; nobody is pinned to them");
  }
  return std::nullopt;
}

absl::Status CheckCpus(const std::vector<int>& wanted, const CpuBounds& bounds) {
  if (wanted.empty()) return absl::InvalidArgumentError("a pin must leave the workload at least one CPU");
  if (const auto cpu = Outside(wanted, bounds.online)) {
    return absl::InvalidArgumentError(
        StrCat("CPU ", *cpu, " does not exist or is offline; this host has ", host::FormatCpuList(bounds.online)));
  }
  if (const auto cpu = Outside(wanted, bounds.parent)) {
    return absl::InvalidArgumentError(
        StrCat("CPU ", *cpu, " is outside the CPUs of the parent cgroup, ", host::FormatCpuList(bounds.parent)));
  }
  if (bounds.original.empty()) return absl::OkStatus();
  if (const auto cpu = Outside(wanted, bounds.original)) {
    return absl::InvalidArgumentError(StrCat("CPU ", *cpu, " is outside the workload's own CPUs, ",
                                             host::FormatCpuList(bounds.original), "; a pin may narrow them only"));
  }
  return absl::OkStatus();
}

absl::Status CheckQuota(double wanted_cores, std::optional<double> original_cores) {
  if (!original_cores || wanted_cores <= *original_cores) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("a quota of %g cores is more than the %g cores that the workload is bound to without Truce",
                      wanted_cores, *original_cores));
}

uint64_t MachineFloor(uint64_t maximum_bytes, std::optional<uint64_t> needed_bytes) {
  return needed_bytes ? *needed_bytes + maximum_bytes / 16 : maximum_bytes / 4 * 3;
}

bool RateBrake::Take(absl::Duration now) {
  while (!taken_.empty() && now - taken_.front() >= absl::Minutes(1)) taken_.pop_front();
  if (static_cast<int>(taken_.size()) >= limit_) return false;
  taken_.push_back(now);
  return true;
}

absl::Duration RateBrake::NextIn(absl::Duration now) const {
  if (limit_ <= 0) return absl::InfiniteDuration();
  if (static_cast<int>(taken_.size()) < limit_) return absl::ZeroDuration();
  return std::max(absl::ZeroDuration(), taken_.front() + absl::Minutes(1) - now);
}

void FutileMemory::Add(const v1::LeasedAction& action, absl::Duration until) {
  until_[{action.victim(), action.workload(), action.lever()}] = until;
}

absl::Duration FutileMemory::Left(const v1::LeasedAction& action, absl::Duration now) {
  std::erase_if(until_, [now](const auto& memory) { return memory.second <= now; });
  const auto found = until_.find({action.victim(), action.workload(), action.lever()});
  return found == until_.end() ? absl::ZeroDuration() : found->second - now;
}

}  // namespace truce::agent
