// What of a planning round is about levers: which one is usable and worth it, with what value it begins, and how it is
// cut further.
#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "controller/fleet/words.h"
#include "controller/plan/cache_class.h"
#include "controller/plan/cpu_split.h"
#include "controller/plan/give_way.h"
#include "controller/plan/policy.h"
#include "controller/plan/tick.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

// Values that new actions begin with. A weight of 100 is usual.
constexpr uint32_t kBestEffortWeight = 10;
constexpr uint32_t kStandardWeight = 50;
// Nine tenths of a CPU that it wants together with one of the usual weight.
constexpr uint32_t kBoostWeight = 1000;
// Who uses so many times its working set has something to give back; and so many times that is left to it.
constexpr double kSqueezableRatio = 1.2;
constexpr double kSqueezedRatio = 1.1;
// Floors of the agent as shipped; an agent with others refuses, and says so.
constexpr uint64_t kFloorMemoryBytes = uint64_t{16} << 20;
constexpr uint64_t kFloorBytesPerSecond = uint64_t{1} << 20;
constexpr uint64_t kFloorOperationsPerSecond = 10;
constexpr uint64_t kFloorSentPerSecond = uint64_t{128} << 10;
constexpr int kMostDisks = 64;
constexpr double kMebibyte = 1 << 20;
// What the arbiter drew for a pair that teaches it nothing stands so long. A lever that waits after a refusal waits
// as long.
constexpr absl::Duration kDrawPeriod = absl::Minutes(10);

// Of what an agent reported; nonsense is nothing.
uint64_t Whole(double value) {
  constexpr double kMost = 1e15;
  return value > 0 ? static_cast<uint64_t>(std::min(value, kMost)) : 0;
}

// Whether its value can be cut further.
bool HasSteps(v1::Lever lever) {
  return lever == v1::LEVER_CPU_QUOTA || lever == v1::LEVER_DISK_CAP || lever == v1::LEVER_NETWORK_CAP ||
         lever == v1::LEVER_CACHE_CLASS;
}

// The caps with every bound cut once more; false when none can be.
bool CutCaps(double ratio, double deadband, v1::LeasedAction* action) {
  bool cut = false;
  const auto less = [&](uint64_t value, uint64_t floor) {
    const uint64_t lower = std::max(floor, static_cast<uint64_t>(static_cast<double>(value) * ratio));
    const bool enough =
        static_cast<double>(value) - static_cast<double>(lower) >= deadband * static_cast<double>(value);
    cut = cut || (lower < value && enough);
    return std::min(value, lower);
  };
  for (v1::DiskCap& cap : *action->mutable_disk_caps()) {
    if (cap.has_read_bytes_per_second())
      cap.set_read_bytes_per_second(less(cap.read_bytes_per_second(), kFloorBytesPerSecond));
    if (cap.has_write_bytes_per_second())
      cap.set_write_bytes_per_second(less(cap.write_bytes_per_second(), kFloorBytesPerSecond));
    if (cap.has_read_operations_per_second())
      cap.set_read_operations_per_second(less(cap.read_operations_per_second(), kFloorOperationsPerSecond));
    if (cap.has_write_operations_per_second())
      cap.set_write_operations_per_second(less(cap.write_operations_per_second(), kFloorOperationsPerSecond));
  }
  return cut;
}

}  // namespace

std::vector<PlannedAction*> PlanTick::ActionsAgainst(const Trouble& trouble) {
  std::vector<PlannedAction*> actions;
  for (const v1::Lever lever : LeversFor(trouble.score->resource())) {
    if (PlannedAction* planned = Find(trouble.giver->workload().name(), lever)) actions.push_back(planned);
  }
  std::stable_sort(actions.begin(), actions.end(), [](const PlannedAction* a, const PlannedAction* b) {
    return a->created_at.monotonic < b->created_at.monotonic;
  });
  return actions;
}

std::optional<v1::Lever> PlanTick::ChooseLever(const Trouble& trouble, std::string* why_not) {
  std::vector<v1::Lever> usable;
  for (const v1::Lever lever : LeversFor(trouble.score->resource())) {
    if (Find(trouble.giver->workload().name(), lever) != nullptr) continue;
    std::string reason;
    if (Usable(trouble, lever, &reason)) {
      usable.push_back(lever);
    } else {
      StrAppend(why_not, why_not->empty() ? "" : ", ", LeverWord(lever), " ", reason);
    }
  }
  const Contention contention = ContentionOf(*trouble.victim, *trouble.giver, trouble.score->resource());
  const auto lever = context_.arbiter.Choose(contention, usable, now_ / kDrawPeriod);
  if (lever) return lever;
  for (const v1::Lever useless : usable) {
    const Expectation expectation = context_.arbiter.Expect(contention, useless);
    StrAppend(why_not, why_not->empty() ? "" : ", ", LeverWord(useless),
              absl::StrFormat(" is expected to take away %.0f %% of the slowdown only, at %.0f %% of its work",
                              100 * expectation.recovery, 100 * expectation.cost));
  }
  if (!usable.empty()) StrAppend(why_not, "; place one of them on another host");
  return std::nullopt;
}

bool PlanTick::CanPin(const Trouble& trouble) const {
  const auto& readings = trouble.giver->readings();
  return !readings.has_cpu_allowed_count() || readings.cpu_allowed_count() >= 2;
}

bool PlanTick::PinsByLlcDomain(const Trouble& trouble) const {
  return trouble.score->resource() != v1::RESOURCE_CPU &&
         !PinnedCpus(true, VictimsNeed(&trouble.score->victim())).empty();
}

bool PlanTick::Usable(const Trouble& trouble, v1::Lever lever, std::string* why_not) {
  const auto& giver = trouble.giver->workload();
  const auto blocked = plan_.blocked.find({trouble.score->victim(), giver.name(), lever});
  if (!Allows(giver, lever)) {
    *why_not = "is not among its allowed levers";
  } else if (auto lacks = HostLacks(host_.inventory, lever)) {
    *why_not = StrCat("is missing on the host (", *lacks, ")");
  } else if (blocked != plan_.blocked.end() && now_ < blocked->second.until) {
    *why_not = StrCat("was refused or did not help, and waits ",
                      absl::FormatDuration(absl::Ceil(blocked->second.until - now_, absl::Seconds(1))));
  } else {
    return Serves(trouble, lever, why_not);
  }
  return false;
}

bool PlanTick::Serves(const Trouble& trouble, v1::Lever lever, std::string* why_not) const {
  const v1::Readings& readings = trouble.giver->readings();
  if (IsAboutCpus(lever) && HostState::CpuUsage(*trouble.giver).value_or(kIdleCores) < kIdleCores) {
    *why_not = absl::StrFormat("would change nothing: it is idle (under %.2f cores)", kIdleCores);
    return false;
  }
  switch (lever) {
    case v1::LEVER_CPU_PIN:
      if (CanPin(trouble) && !PinnedCpus(false, VictimsNeed(&trouble.score->victim())).empty()) return true;
      *why_not = "needs at least two CPUs";
      return false;
    case v1::LEVER_CPU_QUOTA: {
      const auto usage = HostState::CpuUsage(*trouble.giver);
      if (usage.has_value() && *usage * (1 - policy_.deadband_ratio()) > policy_.floor_cores()) return true;
      *why_not = usage.has_value() ? absl::StrFormat("can't go below the floor of %.2f cores (it uses %.2f)",
                                                     policy_.floor_cores(), *usage)
                                   : std::string("needs its CPU use, which is not known");
      return false;
    }
    case v1::LEVER_CPU_IDLE:
      if (trouble.giver->workload().workload_class() == v1::WORKLOAD_CLASS_BEST_EFFORT) return true;
      *why_not = "is for best effort";
      return false;
    case v1::LEVER_MEMORY_SQUEEZE:
      if (readings.memory_usage_bytes() > kSqueezableRatio * readings.memory_working_set_bytes() &&
          readings.has_memory_working_set_bytes()) {
        return true;
      }
      *why_not = readings.has_memory_working_set_bytes() ? "has hardly anything to give back beside what it works with"
                                                         : "needs its use of memory, which is not known";
      return false;
    case v1::LEVER_NETWORK_CAP:
      if (Whole(readings.network_transmit_bytes_per_second() * policy_.quota_cut_ratio()) > kFloorSentPerSecond) {
        return true;
      }
      *why_not = "sends hardly anything, or what it sends is not known";
      return false;
    case v1::LEVER_DISK_CAP: {
      v1::LeasedAction action;
      SetDiskCaps(trouble, &action);
      if (!action.disk_caps().empty()) return true;
      *why_not = host_.inventory.disks().empty() ? "needs a disk, and the host names none"
                                                 : "has hardly any reads and writes to bound";
      return false;
    }
    case v1::LEVER_CACHE_CLASS: {
      v1::LeasedAction action;
      const auto problem =
          BeginCacheClass(host_.inventory.cache_control(), *trouble.giver, trouble.score->resource(), policy_, &action);
      if (problem) *why_not = *problem;
      return !problem.has_value();
    }
    default:
      return true;
  }
}

std::string PlanTick::SetValue(const Trouble& trouble, PlannedAction* planned) const {
  v1::LeasedAction& action = planned->action;
  const v1::Readings& readings = trouble.giver->readings();
  switch (action.lever()) {
    case v1::LEVER_CPU_PIN:
      planned->by_llc_domain = PinsByLlcDomain(trouble);
      return "";
    case v1::LEVER_CPU_QUOTA:
      planned->usage_before_cores = HostState::CpuUsage(*trouble.giver).value_or(0);
      action.set_quota_cores(std::max(policy_.floor_cores(), planned->usage_before_cores * policy_.quota_cut_ratio()));
      return absl::StrFormat("%.2f cores instead of the %.2f that it uses", action.quota_cores(),
                             planned->usage_before_cores);
    case v1::LEVER_CPU_WEIGHT:
      action.set_cpu_weight(IsBoost(action) ? kBoostWeight
                            : trouble.giver->workload().workload_class() == v1::WORKLOAD_CLASS_BEST_EFFORT
                                ? kBestEffortWeight
                                : kStandardWeight);
      return StrCat(action.cpu_weight(), " where 100 is usual");
    case v1::LEVER_MEMORY_SQUEEZE:
      action.set_memory_high_bytes(
          std::max(kFloorMemoryBytes, Whole(kSqueezedRatio * readings.memory_working_set_bytes())));
      return absl::StrFormat("to %.0f MiB, step by step; it uses %.0f and works with %.0f",
                             static_cast<double>(action.memory_high_bytes()) / kMebibyte,
                             readings.memory_usage_bytes() / kMebibyte,
                             readings.memory_working_set_bytes() / kMebibyte);
    case v1::LEVER_NETWORK_CAP:
      action.set_network_bytes_per_second(
          Whole(readings.network_transmit_bytes_per_second() * policy_.quota_cut_ratio()));
      return absl::StrFormat("%.1f MB a second instead of the %.1f that it sends",
                             static_cast<double>(action.network_bytes_per_second()) / 1e6,
                             readings.network_transmit_bytes_per_second() / 1e6);
    case v1::LEVER_DISK_CAP:
      SetDiskCaps(trouble, &action);
      return absl::StrFormat("%.0f %% of what it reads and writes", 100 * policy_.quota_cut_ratio());
    case v1::LEVER_CACHE_CLASS:
      // Serves has seen to that it can be.
      (void)BeginCacheClass(host_.inventory.cache_control(), *trouble.giver, trouble.score->resource(), policy_,
                            &action);
      return CacheClassWords(action);
    default:
      return "on CPUs that nobody else wants";
  }
}

// On every disk of the host: which of them it uses is not told.
void PlanTick::SetDiskCaps(const Trouble& trouble, v1::LeasedAction* action) const {
  const v1::Readings& readings = trouble.giver->readings();
  const auto part = [this](double rate) { return Whole(rate * policy_.quota_cut_ratio()); };
  const uint64_t read = part(readings.disk_read_bytes_per_second());
  const uint64_t written = part(readings.disk_write_bytes_per_second());
  const uint64_t reads = part(readings.disk_read_operations_per_second());
  const uint64_t writes = part(readings.disk_write_operations_per_second());
  for (const v1::Disk& disk : host_.inventory.disks()) {
    if (action->disk_caps_size() >= kMostDisks) return;
    v1::DiskCap cap;
    cap.set_device(disk.device());
    if (read > kFloorBytesPerSecond) cap.set_read_bytes_per_second(read);
    if (written > kFloorBytesPerSecond) cap.set_write_bytes_per_second(written);
    if (reads > kFloorOperationsPerSecond) cap.set_read_operations_per_second(reads);
    if (writes > kFloorOperationsPerSecond) cap.set_write_operations_per_second(writes);
    const bool bounds = cap.has_read_bytes_per_second() || cap.has_write_bytes_per_second() ||
                        cap.has_read_operations_per_second() || cap.has_write_operations_per_second();
    if (bounds) *action->add_disk_caps() = std::move(cap);
  }
}

bool PlanTick::Tighten(const Trouble& trouble, PlannedAction& planned) {
  const v1::Lever lever = planned.action.lever();
  if (!HasSteps(lever)) return false;
  // Nothing is learnt from an action that was only advised, and nothing yet from one that has not been answered.
  if (planned.state != v1::ACTION_STATE_APPLIED || !planned.applied_at.has_value()) return true;
  const bool returning = planned.loosening;
  if (returning) {
    planned.loosening = false;
    planned.dwell = std::max(planned.dwell, DwellFor(trouble, true));
  } else if (now_ - std::max(planned.applied_at->monotonic, planned.changed_at) < step()) {
    return true;
  }
  v1::LeasedAction tighter = planned.action;
  std::string how;
  if (lever == v1::LEVER_CPU_QUOTA) {
    const double old_cores = planned.action.quota_cores();
    const double new_cores = std::max(policy_.floor_cores(), old_cores * policy_.quota_cut_ratio());
    if (old_cores - new_cores < policy_.deadband_ratio() * old_cores) return false;
    tighter.set_quota_cores(new_cores);
    how = absl::StrFormat("cpu_quota %.2f -> %.2f cores", old_cores, new_cores);
  } else if (lever == v1::LEVER_NETWORK_CAP) {
    const uint64_t sent = planned.action.network_bytes_per_second();
    const uint64_t less = std::max(kFloorSentPerSecond, Whole(static_cast<double>(sent) * policy_.quota_cut_ratio()));
    if (static_cast<double>(less) > (1 - policy_.deadband_ratio()) * static_cast<double>(sent)) return false;
    tighter.set_network_bytes_per_second(less);
    how = absl::StrFormat("network_cap to %.1f MB a second", static_cast<double>(less) / 1e6);
  } else if (lever == v1::LEVER_CACHE_CLASS) {
    const v1::CacheControl& host = host_.inventory.cache_control();
    if (!CutCacheClass(host, *trouble.giver, trouble.score->resource(), policy_, &tighter)) return false;
    how = StrCat("cache_class of ", CacheClassWords(tighter));
  } else {
    if (!CutCaps(policy_.quota_cut_ratio(), policy_.deadband_ratio(), &tighter)) return false;
    how = absl::StrFormat("disk_cap to %.0f %% of what it was", 100 * policy_.quota_cut_ratio());
  }
  planned.action = std::move(tighter);
  planned.changed_at = now_;
  planned.state = v1::ACTION_STATE_PENDING;
  planned.action.set_reason(StrCat(Evidence(trouble), "; ", how));
  v1::Decision& decision = Decide("tighten", planned, trouble.score, planned.action.reason());
  planned.action.set_decision_id(decision.id());
  return true;
}

}  // namespace truce::controller
