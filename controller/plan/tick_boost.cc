// What of a planning round is about raising a critical victim where nobody else may be reduced for it, or where that is
// not enough.
#include <utility>

#include "controller/fleet/words.h"
#include "controller/plan/give_way.h"
#include "controller/plan/policy.h"
#include "controller/plan/tick.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

// Of two that are raised against each other neither has anything of it, so one must stand above the other by more than
// its use of CPUs.
bool Outranks(const v1::Workload& victim, const v1::Workload& aggressor) {
  const int victim_rank = ClassRank(victim.workload_class());
  const int aggressor_rank = ClassRank(aggressor.workload_class());
  return victim_rank != aggressor_rank ? victim_rank > aggressor_rank : victim.priority() > aggressor.priority();
}

}  // namespace

const v1::PairScore* PlanTick::HurtByBoost(const v1::WorkloadReport& boosted) const {
  for (const v1::PairScore& score : host_.report.pairs()) {
    if (score.aggressor() != boosted.workload().name() || score.confidence() < policy_.minimum_confidence()) continue;
    const v1::WorkloadReport* other = host_.Find(score.victim());
    if (other == nullptr || other->diagnosis() != v1::DIAGNOSIS_NEIGHBOUR ||
        other->workload().workload_class() != v1::WORKLOAD_CLASS_CRITICAL ||
        Outranks(boosted.workload(), other->workload())) {
      continue;
    }
    if (score.score() >= ThresholdOf(policy_, other->workload(), boosted.workload()).trigger_score()) return &score;
  }
  return nullptr;
}

bool PlanTick::Boost(const Trouble& trouble, std::string* why_not) {
  std::string unused;
  std::string& reason = why_not == nullptr ? unused : *why_not;
  const v1::Workload& victim = trouble.victim->workload();
  const v1::Mode mode = ModeOf(policy_, host_, victim);
  if (victim.workload_class() != v1::WORKLOAD_CLASS_CRITICAL) {
    reason = "it is not critical";
  } else if (trouble.score->resource() != v1::RESOURCE_CPU) {
    reason = StrCat("its weight is of no use against contention for ", ResourceWord(trouble.score->resource()));
  } else if (!Outranks(victim, trouble.giver->workload())) {
    reason = "neither has the higher priority";
  } else if (mode == v1::MODE_OBSERVE) {
    reason = "its mode is observe";
  } else if (const PlannedAction* held = Find(victim.name(), v1::LEVER_CPU_WEIGHT)) {
    // One that is only advised changes nothing, and has had its chance as well.
    const absl::Duration since = held->applied_at ? held->applied_at->monotonic : held->created_at.monotonic;
    reason = "it is already, or that was advised, and it suffers on";
    return IsBoost(held->action) &&
           (now_ - since < step() || StillSuffers(trouble) < policy_.escalation_severity_ratio());
  } else if (const v1::PairScore* hurt = HurtByBoost(*trouble.victim)) {
    reason = StrCat("it slows ", hurt->victim(), ", which is critical and ranks no lower");
  } else {
    // It is asked of the victim what else is asked of who gives way.
    Trouble own = trouble;
    own.giver = trouble.victim;
    std::string problem;
    if (!Usable(own, v1::LEVER_CPU_WEIGHT, &problem)) {
      reason = StrCat(LeverWord(v1::LEVER_CPU_WEIGHT), " ", problem);
    } else if (!context_.arbiter.Choose(ContentionOf(*own.victim, *own.giver, own.score->resource()),
                                        {v1::LEVER_CPU_WEIGHT}, 0)) {
      reason = "that is not expected to help it";
    } else {
      // Braked, which it has said then.
      (void)Create(own, v1::LEVER_CPU_WEIGHT, mode);
      return true;
    }
  }
  return false;
}

}  // namespace truce::controller
