// The half of a planning round that lets go: actions that can't go on, and those that are no longer needed; and the
// CPUs of all pins together.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <utility>

#include "absl/strings/str_format.h"
#include "controller/fleet/words.h"
#include "controller/plan/cpu_split.h"
#include "controller/plan/give_way.h"
#include "controller/plan/policy.h"
#include "controller/plan/tick.h"
#include "src/base/text.h"

namespace truce::controller {

PlanTick::ActionMap::iterator PlanTick::Drop(ActionMap& actions, ActionMap::iterator it, std::string_view reason) {
  const PlannedAction& planned = it->second;
  Decide("release", planned, host_.FindPair(planned.action.victim(), planned.action.workload()), std::string(reason));
  return actions.erase(it);
}

void PlanTick::ReleaseAll(std::string_view reason) {
  for (ActionMap* actions : {&plan_.actions, &plan_.allocations}) {
    for (auto it = actions->begin(); it != actions->end();) it = Drop(*actions, it, reason);
  }
  plan_.victims_need_cpus = 0;
}

std::string PlanTick::Obstacle(PlannedAction& planned) {
  const v1::WorkloadReport* giver = host_.Find(planned.action.workload());
  if (giver == nullptr) return "the workload is gone";
  const auto& workload = giver->workload();
  if (planned.action.workload_instance() != 0 && planned.action.workload_instance() != workload.instance()) {
    return "the workload was made anew; this one has done nothing yet";
  }
  const bool critical = workload.workload_class() == v1::WORKLOAD_CLASS_CRITICAL;
  if (critical != IsBoost(planned.action))
    return critical ? "the workload is critical now" : "it is not critical any more";
  if (const v1::PairScore* hurt = critical ? HurtByBoost(*giver) : nullptr) {
    // And not to and fro.
    plan_.blocked[{workload.name(), workload.name(), planned.action.lever()}] = {.until = now_ + kFutileBackoff};
    return StrCat("it slows ", hurt->victim(), ", which is critical and ranks no lower; not raised again for ",
                  absl::FormatDuration(kFutileBackoff));
  }
  // What is bounded here would travel with it, or would not be there to be restored.
  if (IsBusy(workload.name())) return "the workload is being moved to another host, or was moved lately";
  if (!Allows(workload, planned.action.lever())) return "the lever is no longer allowed on the workload";
  const v1::Mode mode = ModeOf(policy_, host_, workload);
  if (mode == v1::MODE_OBSERVE) return StrCat("the mode of ", workload.name(), " is observe now");
  std::erase_if(planned.victims, [&](const std::string& victim) { return host_.Find(victim) == nullptr; });
  if (planned.victims.empty()) return "the victim is gone";
  if (!IsAboutCpus(planned.action.lever())) return "";
  const double usage = HostState::CpuUsage(*giver).value_or(kIdleCores);
  // Under a small quota, little use is no sign of idleness.
  const bool by_quota = planned.action.lever() == v1::LEVER_CPU_QUOTA;
  const double idle = by_quota ? std::min(kIdleCores, planned.action.quota_cores() / 2) : kIdleCores;
  if (usage >= idle) {
    planned.idle_since.reset();
  } else if (!planned.idle_since.has_value()) {
    planned.idle_since = now_;
  } else if (now_ - *planned.idle_since >= kIdleTime) {
    return absl::StrFormat("%s has been idle (under %.2f cores) for %s", workload.name(), idle,
                           absl::FormatDuration(absl::Trunc(now_ - *planned.idle_since, absl::Seconds(1))));
  }
  return "";
}

void PlanTick::DropImpossible() {
  for (auto it = plan_.actions.begin(); it != plan_.actions.end();) {
    PlannedAction& planned = it->second;
    const std::string obstacle = Obstacle(planned);
    if (!obstacle.empty()) {
      it = Drop(it, obstacle);
      continue;
    }
    if (!planned.victims.contains(planned.action.victim())) planned.action.set_victim(*planned.victims.begin());
    const v1::Mode mode = ModeOf(policy_, host_, host_.Find(planned.action.workload())->workload());
    if (planned.action.mode() != mode) {
      planned.action.set_mode(mode);
      planned.state = v1::ACTION_STATE_PENDING;
      planned.applied_at.reset();
      planned.changed_at = now_;
      Decide(
          "apply", planned, host_.FindPair(planned.action.victim(), planned.action.workload()),
          StrCat("the mode of ", planned.action.workload(), " is ", ModeWord(mode), " now; ", planned.action.reason()));
    }
    ++it;
  }
}

bool PlanTick::IsCalm(const v1::PairScore* score) const {
  // A pair that the agent does not list scores below its floor, or its victim does too little to be slowed.
  if (score == nullptr) return true;
  const v1::WorkloadReport* victim = host_.Find(score->victim());
  const v1::WorkloadReport* aggressor = host_.Find(score->aggressor());
  if (victim == nullptr || aggressor == nullptr) return true;
  const v1::Threshold& threshold = ThresholdOf(policy_, victim->workload(), aggressor->workload());
  // While the giver is held, nobody can see whether it would do harm: the model's word alone keeps it held only as
  // long as that leans to yes. If letting go proves wrong, it is held again and must be calm for longer.
  const bool foreseen = score->source() == v1::SCORE_SOURCE_MODEL;
  return score->score() <=
         (foreseen ? (threshold.restore_score() + threshold.trigger_score()) / 2 : threshold.restore_score());
}

bool PlanTick::IsCalm(const PlannedAction& planned) const {
  if (IsBoost(planned.action)) {
    const auto& pairs = host_.report.pairs();
    return std::all_of(pairs.begin(), pairs.end(), [&](const v1::PairScore& score) {
      return score.victim() != planned.action.victim() || score.resource() != planned.action.resource() ||
             IsCalm(&score);
    });
  }
  return std::all_of(planned.victims.begin(), planned.victims.end(), [&](const std::string& victim) {
    return IsCalm(host_.FindPair(victim, planned.action.workload()));
  });
}

void PlanTick::RememberRelease(const PlannedAction& planned) {
  for (const auto& victim : planned.victims) {
    PairMemory& memory = plan_.pairs[{victim, planned.action.workload()}];
    memory.released_at = now_;
    memory.dwell = planned.dwell;
    memory.seen_at = now_;
  }
}

bool PlanTick::Loosen(ActionMap::iterator* it) {
  PlannedAction& planned = (*it)->second;
  const auto& action = planned.action;
  const v1::PairScore* score = host_.FindPair(action.victim(), action.workload());
  const std::string why =
      absl::StrFormat("calm for %s (restore score or below, dwell %s)",
                      absl::FormatDuration(absl::Trunc(now_ - *planned.calm_since, absl::Seconds(1))),
                      absl::FormatDuration(planned.dwell));
  const double wanted = action.quota_cores() + policy_.quota_release_ratio() * planned.usage_before_cores;
  const bool in_steps =
      action.lever() == v1::LEVER_CPU_QUOTA && action.mode() == v1::MODE_ENFORCE && wanted < planned.usage_before_cores;
  if (!in_steps) {
    RememberRelease(planned);
    // The pin of the same workload goes a step after its quota, not with it.
    if (PlannedAction* pin = Find(action.workload(), v1::LEVER_CPU_PIN)) pin->changed_at = now_;
    *it = Drop(*it, why);
    return true;
  }
  const double old_cores = action.quota_cores();
  planned.loosening = true;
  planned.changed_at = now_;
  planned.state = v1::ACTION_STATE_PENDING;
  planned.action.set_quota_cores(wanted);
  planned.action.set_reason(absl::StrFormat("%s; cpu_quota %.2f -> %.2f cores", why, old_cores, wanted));
  v1::Decision& decision = Decide("loosen", planned, score, planned.action.reason());
  planned.action.set_decision_id(decision.id());
  return false;
}

void PlanTick::ReleaseCalm() {
  for (auto it = plan_.actions.begin(); it != plan_.actions.end();) {
    PlannedAction& planned = it->second;
    if (!IsCalm(planned)) {
      planned.calm_since.reset();
      ++it;
      continue;
    }
    if (!planned.calm_since.has_value()) planned.calm_since = now_;
    const absl::Duration in_force_since =
        planned.applied_at.has_value() ? planned.applied_at->monotonic : planned.created_at.monotonic;
    const bool dwelt = now_ - std::max(*planned.calm_since, in_force_since) >= planned.dwell;
    const bool stepped = now_ - planned.changed_at >= step();
    const bool after_quota =
        planned.action.lever() != v1::LEVER_CPU_PIN || Find(planned.action.workload(), v1::LEVER_CPU_QUOTA) == nullptr;
    if (dwelt && stepped && after_quota && Loosen(&it)) continue;
    ++it;
  }
}

int PlanTick::VictimsNeed(const std::string* newcomer) const {
  std::set<std::string> victims;
  if (newcomer != nullptr) victims.insert(*newcomer);
  for (const auto& [key, planned] : plan_.actions) {
    if (key.second == v1::LEVER_CPU_PIN) victims.insert(planned.victims.begin(), planned.victims.end());
  }
  double cores = 0;
  for (const auto& name : victims) {
    const v1::WorkloadReport* victim = host_.Find(name);
    if (victim == nullptr) continue;
    cores += std::max(HostState::CpuP95(*victim), HostState::CpuUsage(*victim).value_or(0));
  }
  // A nanocore of rounding must not cost a CPU.
  return std::clamp(static_cast<int>(std::ceil(std::min(cores, 1e6) - 1e-9)), 1, 1'000'000);
}

std::vector<uint32_t> PlanTick::PinnedCpus(bool by_llc_domain, int victims_need) const {
  const std::vector<v1::Cpu> cpus(host_.inventory.cpus().begin(), host_.inventory.cpus().end());
  const auto chosen = by_llc_domain ? LlcDomainsForGivers(cpus, victims_need) : CpusForGivers(cpus, victims_need);
  return chosen.value_or(std::vector<uint32_t>());
}

void PlanTick::LayOutPins() {
  const bool any = std::any_of(plan_.actions.begin(), plan_.actions.end(),
                               [](const auto& entry) { return entry.first.second == v1::LEVER_CPU_PIN; });
  if (!any) {
    plan_.victims_need_cpus = 0;
    return;
  }
  // The victims' part only grows while pins are wanted, and not more often than a step: a 95th percentile that wavers
  // about a whole number must not move anybody to and fro.
  const int need = VictimsNeed();
  if (need > plan_.victims_need_cpus && now_ - plan_.pins_changed_at >= step()) plan_.victims_need_cpus = need;
  for (auto& [key, planned] : plan_.actions) {
    if (key.second != v1::LEVER_CPU_PIN || plan_.victims_need_cpus == 0) continue;
    const std::string cpus = CpuList(PinnedCpus(planned.by_llc_domain, plan_.victims_need_cpus));
    if (cpus.empty() || cpus == planned.action.cpus()) continue;
    const std::string why = StrCat("the victims need ", plan_.victims_need_cpus, " CPUs: ", planned.action.workload(),
                                   " goes from CPUs ", planned.action.cpus(), " to ", cpus);
    plan_.pins_changed_at = now_;
    planned.action.set_cpus(cpus);
    planned.changed_at = now_;
    planned.state = v1::ACTION_STATE_PENDING;
    planned.action.set_reason(why);
    v1::Decision& decision =
        Decide("tighten", planned, host_.FindPair(planned.action.victim(), planned.action.workload()), why);
    planned.action.set_decision_id(decision.id());
  }
}

// Who is kept off its victims' CPUs need not be throttled on its own as well. A quota that came after the pin is there
// because the pin was not enough.
void PlanTick::FreePinned() {
  for (auto it = plan_.actions.begin(); it != plan_.actions.end();) {
    const PlannedAction& quota = it->second;
    const PlannedAction* pin =
        it->first.second == v1::LEVER_CPU_QUOTA ? Find(it->first.first, v1::LEVER_CPU_PIN) : nullptr;
    const bool left_over =
        pin != nullptr && pin->state == v1::ACTION_STATE_APPLIED &&
        quota.created_at.monotonic < pin->created_at.monotonic &&
        std::includes(pin->victims.begin(), pin->victims.end(), quota.victims.begin(), quota.victims.end());
    it = left_over ? Drop(it, StrCat("it is pinned to CPUs ", pin->action.cpus(), " by now, away from its victims"))
                   : std::next(it);
  }
}

void PlanTick::Forget() {
  std::erase_if(plan_.pairs, [&](const auto& entry) { return now_ - entry.second.seen_at > kForgetPair; });
  for (auto& [_, memory] : plan_.pairs) {
    if (memory.helpless_at != now_) memory.helpless_since.reset();
  }
  std::erase_if(plan_.blocked, [&](const auto& entry) { return now_ >= entry.second.until; });
}

}  // namespace truce::controller
