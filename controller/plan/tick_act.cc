// The half of a planning round that cuts: which pairs are in trouble, who gives way, and what is done next. Which lever
// that is, tick_lever.cc says.
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
  std::vector<const Trouble*> met;
  for (const Trouble& trouble : troubles) {
    if (Act(trouble)) met.push_back(&trouble);
  }
  // What was done for others since protects them as well.
  for (const Trouble* trouble : met) {
    for (PlannedAction* planned : ActionsAgainst(*trouble)) Join(*trouble, *planned);
  }
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
  if (IsBusy(giver.name())) {
    LeaveAlone(score, "moving",
               StrCat(Evidence(trouble), "; ", giver.name(), " is being moved to another host, or was moved lately"));
  } else if (!AggressorGivesWay(*trouble.victim, *trouble.giver)) {
    LeaveAlone(score, "victim_gives_way",
               StrCat(Evidence(trouble), "; of the two it is ", score.victim(), " that gives way (",
                      WhyGivesWay(*trouble.victim, *trouble.giver), "), and it is already the one that suffers"));
    ThinkOfMoving(trouble, score.severity());
  } else if (giver.workload_class() == v1::WORKLOAD_CLASS_CRITICAL) {
    std::string why_not;
    if (Boost(trouble, &why_not)) return true;
    LeaveAlone(score, "critical",
               StrCat(Evidence(trouble), "; ", giver.name(), " is critical and is never reduced, and ", score.victim(),
                      " is not raised: ", why_not, "; place one of them on another host"));
    ThinkOfMoving(trouble, score.severity());
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

bool PlanTick::Act(const Trouble& trouble) {
  const v1::Mode mode = ModeOf(policy_, host_, trouble.giver->workload());
  if (StandsBack(trouble, mode)) return false;
  const std::vector<PlannedAction*> held = ActionsAgainst(trouble);
  if (!held.empty()) {
    Escalate(trouble, held, mode);
    return true;
  }
  std::string why_not;
  if (const auto lever = ChooseLever(trouble, &why_not)) {
    Create(trouble, *lever, mode);
  } else if (!Boost(trouble, nullptr)) {
    LeaveAlone(*trouble.score, "no_usable_lever",
               StrCat(Evidence(trouble), "; nothing can be done to ", trouble.giver->workload().name(), ": ", why_not));
    ThinkOfMoving(trouble, trouble.score->severity());
  }
  return true;
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
  const Contention contention = ContentionOf(*trouble.victim, *trouble.giver, trouble.score->resource());
  action.set_expected_recovery(trouble.score->severity() * context_.arbiter.Expect(contention, lever).recovery);
  action.set_victim_application(contention.victim_application);
  action.set_workload_application(contention.giver_application);
  action.set_workload_class(contention.giver_class);
  action.set_resource(contention.resource);
  action.set_mode(mode);
  planned.created_at = context_.now;
  planned.changed_at = now_;
  planned.victims.insert(trouble.score->victim());
  planned.dwell = DwellFor(trouble, false);
  std::string how = SetValue(trouble, &planned);
  PlannedAction& stored = plan_.actions[{giver.name(), lever}] = std::move(planned);
  if (lever == v1::LEVER_CPU_PIN) {
    plan_.victims_need_cpus = std::max(plan_.victims_need_cpus, VictimsNeed());
    stored.action.set_cpus(CpuList(PinnedCpus(stored.by_llc_domain, plan_.victims_need_cpus)));
    how = StrCat("CPUs ", stored.action.cpus(), ", so that ", plan_.victims_need_cpus, " stay free of it");
  }
  const std::string who = IsBoost(stored.action)
                              ? StrCat(giver.name(), " is raised")
                              : StrCat(giver.name(), " gives way (", WhyGivesWay(*trouble.giver, *trouble.victim), ")");
  stored.action.set_reason(StrCat(Evidence(trouble), "; ", who, ": ", LeverWord(lever), ", ", how));
  v1::Decision& decision = Decide("apply", stored, trouble.score, stored.action.reason());
  stored.action.set_decision_id(decision.id());
  return true;
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
  if (const auto lever = ChooseLever(trouble, &why_not)) {
    Create(trouble, *lever, mode);
  } else if (!Boost(trouble, nullptr)) {
    ThinkOfMoving(trouble, StillSuffers(trouble));
  }
}

}  // namespace truce::controller
