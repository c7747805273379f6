// What of a planning round is about moving: the last resort of a pair that no lever helps.
#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "controller/fleet/words.h"
#include "controller/plan/give_way.h"
#include "controller/plan/policy.h"
#include "controller/plan/tick.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

// A pair must have been in trouble without a useful lever for so long.
constexpr absl::Duration kHelplessDwell = absl::Seconds(60);
// A pair that was not looked at for longer begins anew: no agent reports more seldom than once a minute.
constexpr absl::Duration kHelplessGap = absl::Minutes(2);
// All hosts are looked at for a place: not more often than a proposal must be renewed, with time to spare.
constexpr absl::Duration kThinkAgain = absl::Minutes(1);

}  // namespace

bool PlanTick::IsBusy(const std::string& workload) const {
  return context_.elsewhere.has_value() &&
         context_.elsewhere->migrations.get().IsBusy(host_.name, workload, context_.now);
}

void PlanTick::ThinkOfMoving(const Trouble& trouble, double slowdown) {
  if (!context_.elsewhere.has_value() || policy_.migration_mode() < v1::MODE_ADVISE) return;
  PairMemory& memory = plan_.pairs[{trouble.score->victim(), trouble.score->aggressor()}];
  if (!memory.helpless_since || now_ - memory.helpless_at > kHelplessGap) memory.helpless_since = now_;
  memory.helpless_at = now_;
  memory.seen_at = now_;
  // Many hosts in trouble at once hint at another cause, which moving does not cure.
  if (now_ - *memory.helpless_since < kHelplessDwell || context_.brake.Tripped(policy_.fleet_brake_ratio())) return;
  if (now_ - memory.thought_at < kThinkAgain) return;
  memory.thought_at = now_;
  const std::string& victim = trouble.victim->workload().name();
  const std::string& aggressor = trouble.giver->workload().name();
  if (IsBusy(victim) || IsBusy(aggressor)) return;
  // Who outranks the victim is not moved for it.
  if (AggressorGivesWay(*trouble.victim, *trouble.giver) && ProposeMove(trouble, *trouble.giver, slowdown)) return;
  ProposeMove(trouble, *trouble.victim, slowdown);
}

bool PlanTick::ProposeMove(const Trouble& trouble, const v1::WorkloadReport& moved, double slowdown) {
  const v1::Workload& workload = moved.workload();
  const Migrations& migrations = context_.elsewhere->migrations;
  const v1::Mode mode = std::min(policy_.migration_mode(), ModeOf(policy_, host_, workload));
  if (mode < v1::MODE_ADVISE || !CheckMovable(host_, moved).ok() ||
      migrations.WasTriedLately(host_.name, workload.name(), context_.now)) {
    return false;
  }
  const v1::Migration* known = migrations.Find(host_.name, workload.name());
  if (!context_.brake.searches.Allows(now_, FleetBrake::kSearchesPerMinute)) {
    // With the next report then.
    plan_.pairs[{trouble.score->victim(), trouble.score->aggressor()}].thought_at = -absl::InfiniteDuration();
    return false;
  }
  context_.brake.searches.Take(now_);
  const v1::WorkloadReport& other = &moved == trouble.giver ? *trouble.victim : *trouble.giver;
  const MoveWish wish{.source = host_,
                      .workload = moved,
                      .preferred_host = known == nullptr ? std::string() : known->target_host(),
                      .shunned_application = other.workload().application()};
  const auto destination = FindDestination(wish, *context_.elsewhere, context_.arbiter, policy_, context_.now);
  if (!destination.ok()) return false;
  const Contention contention = ContentionOf(*trouble.victim, *trouble.giver, trouble.score->resource());
  const double recovered = slowdown * context_.arbiter.Expect(contention, v1::LEVER_MIGRATE).recovery;
  v1::Migration migration = DescribeMove(wish, *destination, *context_.elsewhere, policy_);
  migration.set_expected_gain_core_seconds(MoveGain(*trouble.victim, recovered));
  if (!(migration.expected_gain_core_seconds() >= kLeastGainPerCost * migration.expected_cost_core_seconds())) {
    return false;
  }
  // One for another victim that wins more is renewed by its own pair.
  if (known != nullptr && known->victim() != trouble.score->victim() &&
      known->expected_gain_core_seconds() > migration.expected_gain_core_seconds()) {
    return true;
  }
  migration.set_victim(trouble.score->victim());
  migration.set_victim_application(contention.victim_application);
  migration.set_resource(contention.resource);
  migration.set_expected_recovery(recovered);
  migration.set_victim_slowdown_before(trouble.victim->has_slowdown_ratio() ? trouble.victim->slowdown_ratio()
                                                                            : slowdown);
  Wish(trouble, std::move(migration), mode);
  return true;
}

void PlanTick::Wish(const Trouble& trouble, v1::Migration migration, v1::Mode mode) {
  std::string reason = absl::StrFormat(
      "%s; no lever helps: moving %s to %s by %s is expected to win %.0f core-seconds of work in %s and to cost %.0f",
      Evidence(trouble), migration.workload(),
      migration.target_host().empty() ? "where its cluster chooses" : migration.target_host(), migration.driver(),
      migration.expected_gain_core_seconds(), absl::FormatDuration(kMoveHorizon),
      migration.expected_cost_core_seconds());
  migration.set_reason(reason);
  MigrationWish wish;
  if (mode == v1::MODE_ENFORCE) {
    const absl::Status may = context_.elsewhere->migrations.get().MayBegin(migration, policy_, context_.now);
    wish.begin = may.ok();
    if (!wish.begin) migration.set_detail(StrCat("not begun by itself: ", StdView(may.message())));
  }
  if (!wish.begin) {
    StrAppend(&reason, "; trucectl migrate ", migration.workload(), " --host ", host_.name, " begins it");
  }
  PairMemory& memory = plan_.pairs[{trouble.score->victim(), trouble.score->aggressor()}];
  const std::string said = StrCat(migration.workload(), "\n", migration.target_host(), "\n", wish.begin ? 1 : 0);
  // Said once, as long as the proposal lives.
  const bool is_new = context_.elsewhere->migrations.get().Find(host_.name, migration.workload()) == nullptr;
  if (wish.begin || is_new || memory.proposed != said) {
    memory.proposed = said;
    PlannedAction planned;
    planned.action.set_victim(migration.victim());
    planned.action.set_workload(migration.workload());
    planned.action.set_lever(v1::LEVER_MIGRATE);
    wish.decision_id =
        Decide(wish.begin ? "migrate" : "propose_migration", planned, trouble.score, std::move(reason)).id();
  }
  wish.migration = std::move(migration);
  context_.wishes.push_back(std::move(wish));
}

}  // namespace truce::controller
