// The half of a planning round that cuts: which pairs are in trouble, who gives way, by which lever.
#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_format.h"
#include "controller/fleet/words.h"
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

// Of what an agent reported; nonsense is nothing.
uint64_t Whole(double value) {
  constexpr double kMost = 1e15;
  return value > 0 ? static_cast<uint64_t>(std::min(value, kMost)) : 0;
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

absl::Duration PlanTick::step() const {
  return ToDuration(policy_.step_interval());
}

PlannedAction* PlanTick::Find(const std::string& workload, v1::Lever lever) {
  const auto it = plan_.actions.find({workload, lever});
  return it == plan_.actions.end() ? nullptr : &it->second;
}

v1::Decision& PlanTick::Decide(std::string_view verdict, const PlannedAction& planned, const v1::PairScore* score,
                               std::string reason) {
  v1::Decision& decision = decisions_.emplace_back();
  decision.set_id(context_.next_decision_id++);
  SetTime(context_.now.wall, decision.mutable_decided_at());
  decision.set_host(host_.name);
  decision.set_verdict(std::string(verdict));
  decision.set_victim(planned.action.victim());
  decision.set_workload(planned.action.workload());
  decision.set_lever(planned.action.lever());
  decision.set_lease_id(planned.action.lease_id());
  if (score != nullptr) *decision.mutable_score() = *score;
  decision.set_reason(std::move(reason));
  return decision;
}

void PlanTick::LeaveAlone(const v1::PairScore& score, std::string_view code, std::string reason) {
  PairMemory& memory = plan_.pairs[{score.victim(), score.aggressor()}];
  const bool said = memory.left_alone == code && now_ - memory.seen_at <= kRetriggerWindow;
  memory.seen_at = now_;
  if (said) return;
  memory.left_alone = std::string(code);
  PlannedAction none;
  none.action.set_victim(score.victim());
  none.action.set_workload(score.aggressor());
  Decide("leave_alone", none, &score, std::move(reason));
}

void PlanTick::CountTrouble(bool troubled) {
  if (plan_.troubled != troubled) context_.brake.troubled_hosts += troubled ? 1 : -1;
  plan_.troubled = troubled;
}

std::vector<PlanTick::Trouble> PlanTick::FindTrouble() {
  std::vector<Trouble> troubles;
  for (const auto& score : host_.report.pairs()) {
    if (score.confidence() < policy_.minimum_confidence()) continue;
    const v1::WorkloadReport* victim = host_.Find(score.victim());
    const v1::WorkloadReport* aggressor = host_.Find(score.aggressor());
    if (victim == nullptr || aggressor == nullptr) continue;
    const v1::Threshold& threshold = ThresholdOf(policy_, victim->workload(), aggressor->workload());
    if (score.score() < threshold.trigger_score()) continue;
    if (victim->diagnosis() == v1::DIAGNOSIS_OWN_QUOTA || victim->diagnosis() == v1::DIAGNOSIS_STEAL) {
      LeaveAlone(score, "diagnosis",
                 StrCat(score.victim(), " is ", DiagnosisWord(victim->diagnosis()), "; that is no contention and ",
                        score.aggressor(), " is not to blame"));
    }
    if (victim->diagnosis() != v1::DIAGNOSIS_NEIGHBOUR) continue;
    troubles.push_back({&score, victim, aggressor, &threshold});
  }
  // The worst first, so that the brakes spend what they allow where it is needed most.
  std::stable_sort(troubles.begin(), troubles.end(), [](const Trouble& a, const Trouble& b) {
    const int a_rank = ClassRank(a.victim->workload().workload_class());
    const int b_rank = ClassRank(b.victim->workload().workload_class());
    return a_rank != b_rank ? a_rank > b_rank : a.score->score() > b.score->score();
  });
  return troubles;
}

void PlanTick::ActOnPairs() {
  const std::vector<Trouble> troubles = FindTrouble();
  CountTrouble(!troubles.empty());
  for (const Trouble& trouble : troubles) Act(trouble);
}

std::string PlanTick::Evidence(const Trouble& trouble) const {
  return absl::StrFormat(
      "%s is slowed by %s: score %.0f (acts at %.0f), expected slowdown %.0f %%, confidence %.2f, %s",
      trouble.score->victim(), trouble.score->aggressor(), trouble.score->score(), trouble.threshold->trigger_score(),
      100 * trouble.score->severity(), trouble.score->confidence(),
      std::string(ResourceWord(trouble.score->resource())));
}

bool PlanTick::StandsBack(const Trouble& trouble, v1::Mode mode) {
  const auto& score = *trouble.score;
  const auto& giver = trouble.giver->workload();
  if (!AggressorGivesWay(*trouble.victim, *trouble.giver)) {
    LeaveAlone(score, "victim_gives_way",
               StrCat(Evidence(trouble), "; of the two it is ", score.victim(), " that gives way (",
                      WhyGivesWay(*trouble.victim, *trouble.giver), "), and it is already the one that suffers"));
  } else if (giver.workload_class() == v1::WORKLOAD_CLASS_CRITICAL) {
    LeaveAlone(score, "critical",
               StrCat(Evidence(trouble), "; ", giver.name(),
                      " is critical and is never reduced: place one of them "
                      "on another host"));
  } else if (!HasLever(score.resource())) {
    LeaveAlone(score, StrCat("no_lever_", static_cast<int>(score.resource())),
               StrCat(Evidence(trouble), "; no lever for ", ResourceWord(score.resource()), " exists in this version"));
  } else if (mode == v1::MODE_OBSERVE) {
    LeaveAlone(score, "observe", StrCat(Evidence(trouble), "; the mode of ", giver.name(), " is observe"));
  } else {
    return false;
  }
  return true;
}

void PlanTick::Act(const Trouble& trouble) {
  const v1::Mode mode = ModeOf(policy_, host_, trouble.giver->workload());
  if (StandsBack(trouble, mode)) return;
  const std::vector<PlannedAction*> held = ActionsAgainst(trouble);
  if (!held.empty()) {
    Escalate(trouble, held, mode);
    return;
  }
  std::string why_not;
  if (const auto lever = ChooseLever(trouble, &why_not)) {
    Create(trouble, *lever, mode);
  } else {
    LeaveAlone(*trouble.score, "no_usable_lever",
               StrCat(Evidence(trouble), "; nothing can be done to ", trouble.giver->workload().name(), ": ", why_not));
  }
}

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
  const auto lever = context_.arbiter.Choose(contention, usable);
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
  const auto blocked = plan_.blocked_until.find({trouble.score->victim(), giver.name(), lever});
  if (!Allows(giver, lever)) {
    *why_not = "is not among its allowed levers";
  } else if (auto lacks = HostLacks(host_.inventory, lever)) {
    *why_not = StrCat("is missing on the host (", *lacks, ")");
  } else if (blocked != plan_.blocked_until.end() && now_ < blocked->second) {
    *why_not = StrCat("was refused or did not help, and waits ",
                      absl::FormatDuration(absl::Ceil(blocked->second - now_, absl::Seconds(1))));
  } else {
    return Serves(trouble, lever, why_not);
  }
  return false;
}

bool PlanTick::Serves(const Trouble& trouble, v1::Lever lever, std::string* why_not) const {
  const v1::Readings& readings = trouble.giver->readings();
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
    default:
      return true;
  }
}

absl::Duration PlanTick::DwellFor(const Trouble& trouble, bool returning) {
  PairMemory& memory = plan_.pairs[{trouble.score->victim(), trouble.giver->workload().name()}];
  memory.seen_at = now_;
  memory.left_alone.clear();
  const absl::Duration minimum = ToDuration(policy_.minimum_dwell());
  const absl::Duration current = std::max(memory.dwell, minimum);
  if (returning) return memory.dwell = std::min(kLongestDwell, 2 * current);
  // A second lever for the same pair is part of the first one's story.
  for (const PlannedAction* other : ActionsAgainst(trouble)) {
    if (other->victims.contains(trouble.score->victim())) return current;
  }
  const bool soon = memory.released_at.has_value() && now_ - *memory.released_at <= kRetriggerWindow;
  memory.dwell = soon ? std::min(kLongestDwell, 2 * current) : minimum;
  memory.released_at.reset();
  return memory.dwell;
}

bool PlanTick::Create(const Trouble& trouble, v1::Lever lever, v1::Mode mode) {
  const bool host_allows = plan_.rate.Allows(now_, policy_.host_actions_per_minute());
  const bool fleet_allows = context_.brake.rate.Allows(now_, policy_.fleet_actions_per_minute());
  if (!host_allows || !fleet_allows || context_.brake.Tripped(policy_.fleet_brake_ratio())) {
    LeaveAlone(*trouble.score, "brake",
               StrCat(Evidence(trouble), "; braked: ",
                      !host_allows    ? "the host had its new actions of this minute"
                      : !fleet_allows ? "the fleet had its new actions of this minute"
                                      : "too many hosts are in trouble at once, which hints at another cause"));
    return false;
  }
  plan_.rate.Take(now_);
  context_.brake.rate.Take(now_);
  const auto& giver = trouble.giver->workload();
  PlannedAction planned;
  auto& action = planned.action;
  action.set_lease_id(StrCat(context_.lease_prefix, "-", host_.name, "-", plan_.next_lease++));
  action.set_workload(giver.name());
  action.set_workload_instance(giver.instance());
  action.set_lever(lever);
  action.set_victim(trouble.score->victim());
  action.set_expected_recovery(trouble.score->severity());
  action.set_mode(mode);
  planned.created_at = context_.now;
  planned.changed_at = now_;
  planned.victims.insert(trouble.score->victim());
  planned.dwell = DwellFor(trouble, false);
  action.set_resource(trouble.score->resource());
  std::string how = SetValue(trouble, &planned);
  PlannedAction& stored = plan_.actions[{giver.name(), lever}] = std::move(planned);
  if (lever == v1::LEVER_CPU_PIN) {
    plan_.victims_need_cpus = std::max(plan_.victims_need_cpus, VictimsNeed());
    stored.action.set_cpus(CpuList(PinnedCpus(stored.by_llc_domain, plan_.victims_need_cpus)));
    how = StrCat("CPUs ", stored.action.cpus(), ", so that ", plan_.victims_need_cpus, " stay free of it");
  }
  stored.action.set_reason(StrCat(Evidence(trouble), "; ", giver.name(), " gives way (",
                                  WhyGivesWay(*trouble.giver, *trouble.victim), "): ", LeverWord(lever), ", ", how));
  v1::Decision& decision = Decide("apply", stored, trouble.score, stored.action.reason());
  stored.action.set_decision_id(decision.id());
  return true;
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
      action.set_cpu_weight(trouble.giver->workload().workload_class() == v1::WORKLOAD_CLASS_BEST_EFFORT
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

void PlanTick::Join(const Trouble& trouble, PlannedAction& planned) {
  planned.calm_since.reset();
  if (planned.victims.contains(trouble.score->victim())) return;
  planned.dwell = std::max(planned.dwell, DwellFor(trouble, false));
  planned.victims.insert(trouble.score->victim());
  // A newcomer gets the time that the first victim got before anything is tightened for it.
  planned.changed_at = now_;
  LeaveAlone(
      *trouble.score, "covered",
      StrCat(Evidence(trouble), "; ", planned.action.workload(), " already gives way to ", planned.action.victim(),
             " (", LeverWord(planned.action.lever()), "), which protects ", trouble.score->victim(), " as well"));
}

double PlanTick::StillSuffers(const Trouble& trouble) {
  const double severity = trouble.score->severity();
  // The model says what the aggressor would do if it were free, also while it is held; the victim says what it feels.
  if (trouble.victim->has_slowdown_ratio()) return std::min(severity, trouble.victim->slowdown_ratio());
  return trouble.score->source() == v1::SCORE_SOURCE_MODEL ? 0 : severity;
}

void PlanTick::Escalate(const Trouble& trouble, const std::vector<PlannedAction*>& held, v1::Mode mode) {
  for (PlannedAction* planned : held) Join(trouble, *planned);
  // What is in force works well enough: the last few percent are not worth another cut.
  if (StillSuffers(trouble) < policy_.escalation_severity_ratio()) return;
  for (auto newest = held.rbegin(); newest != held.rend(); ++newest) {
    if (Tighten(trouble, **newest)) return;
  }
  const bool had_their_chance = std::all_of(held.begin(), held.end(), [this](const PlannedAction* planned) {
    return planned->state == v1::ACTION_STATE_APPLIED && planned->applied_at.has_value() &&
           now_ - std::max(planned->applied_at->monotonic, planned->changed_at) >= step();
  });
  std::string why_not;
  if (!had_their_chance) return;
  if (const auto lever = ChooseLever(trouble, &why_not)) Create(trouble, *lever, mode);
}

bool PlanTick::Tighten(const Trouble& trouble, PlannedAction& planned) {
  const v1::Lever lever = planned.action.lever();
  if (lever != v1::LEVER_CPU_QUOTA && lever != v1::LEVER_DISK_CAP && lever != v1::LEVER_NETWORK_CAP) return false;
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
