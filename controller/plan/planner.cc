#include "controller/plan/planner.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "controller/fleet/words.h"
#include "controller/plan/allocations.h"
#include "controller/plan/policy.h"
#include "controller/plan/tick.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

// The plan's entry for a lease and where it is; nullopt when there is none.
struct FoundLease {
  HostPlan::Actions& in;
  HostPlan::Actions::iterator it;
  PlannedAction& planned() const { return it->second; }
};
std::optional<FoundLease> FindLease(HostPlan& plan, const std::string& lease_id) {
  for (HostPlan::Actions* actions : {&plan.actions, &plan.allocations}) {
    const auto it = std::find_if(actions->begin(), actions->end(),
                                 [&](const auto& entry) { return entry.second.action.lease_id() == lease_id; });
    if (it != actions->end()) return FoundLease{*actions, it};
  }
  return std::nullopt;
}

void Block(const PlannedAction& planned, const HostPlan::Block& block, HostPlan& plan) {
  for (const auto& victim : planned.victims) {
    plan.blocked[{victim, planned.action.workload(), planned.action.lever()}] = block;
  }
}

bool Holds(const HostState& host, const std::string& lease_id) {
  return std::any_of(host.held.begin(), host.held.end(), [&](const v1::HeldAction& held) {
    return !held.unrestored() && held.action().lease_id() == lease_id;
  });
}

// An action that an agent holds from an earlier life of this controller.
PlannedAction Adopted(const v1::HeldAction& held, const v1::Policy& policy, Moment now) {
  PlannedAction planned;
  planned.action = held.action();
  planned.action.clear_time_to_live();
  const bool advised = held.action().mode() == v1::MODE_ADVISE;
  planned.state = advised ? v1::ACTION_STATE_ADVISED : v1::ACTION_STATE_APPLIED;
  // Both ends' wall clocks may disagree: an age is believed between nothing and a day.
  const absl::Duration age = std::clamp(now.wall - ToTime(held.applied_at()), absl::ZeroDuration(), absl::Hours(24));
  planned.created_at = {now.wall - age, now.monotonic - age};
  planned.applied_at = planned.created_at;
  planned.changed_at = now.monotonic;
  planned.usage_before_cores = held.action().quota_cores() / policy.quota_cut_ratio();
  planned.victims.insert(held.action().victim());
  planned.dwell = ToDuration(policy.minimum_dwell());
  return planned;
}

}  // namespace

std::vector<const PlannedAction*> AllActions(const HostPlan& plan) {
  std::vector<const PlannedAction*> all;
  for (const HostPlan::Actions* actions : {&plan.actions, &plan.allocations}) {
    for (const auto& [key, planned] : *actions) {
      // Taken over from an agent that held both in turn: the one that protects counts.
      if (actions == &plan.allocations && plan.actions.contains(key)) continue;
      all.push_back(&planned);
    }
  }
  return all;
}

void Teach(const v1::Receipt& receipt, Arbiter& arbiter) {
  // A slowdown that was hardly there says nothing, nor does an action that was hardly in force (which tells nothing of the
  // victim, unless it took another's place).
  constexpr double kLeastSlowdown = 0.05;
  constexpr absl::Duration kLeastTime = absl::Seconds(5);
  const v1::LeasedAction& action = receipt.action();
  const double before = receipt.victim_slowdown_before();
  if (!(before >= kLeastSlowdown) || !receipt.has_victim_slowdown_after()) return;
  if (ToTime(receipt.ended_at()) - ToTime(receipt.applied_at()) < kLeastTime) return;
  const Contention contention{.victim_application = action.victim_application(),
                              .giver_application = action.workload_application(),
                              .resource = action.resource(),
                              .giver_class = action.workload_class()};
  const double cost = receipt.has_workload_loss_ratio() ? receipt.workload_loss_ratio() : std::nan("");
  arbiter.Learn(contention, action.lever(), 1 - receipt.victim_slowdown_after() / before, cost);
}

std::vector<v1::Decision> PlanHost(const HostState& host, HostPlan& plan, PlanContext& context) {
  PlanTick tick(host, plan, context);
  if (context.hold) {
    tick.CountTrouble(false);
    tick.ReleaseAll("an operator put it on hold");
    return tick.TakeDecisions();
  }
  const bool informed =
      host.connected && host.reported && host.last_report_at.has_value() &&
      context.now.monotonic - host.last_report_at->monotonic <= ToDuration(context.policy.lease_time_to_live());
  if (!informed) {
    tick.CountTrouble(false);
    return {};
  }
  tick.DropImpossible();
  tick.ActOnPairs();
  tick.ReleaseCalm();
  tick.LayOutPins();
  tick.FreePinned();
  tick.Allocate();
  tick.Forget();
  return tick.TakeDecisions();
}

std::vector<v1::Decision> OnActionResult(const HostState& host, const v1::ActionResult& result, HostPlan& plan,
                                         PlanContext& context) {
  const auto found = FindLease(plan, result.lease_id());
  if (!found) return {};
  PlannedAction& planned = found->planned();
  if (result.state() == v1::ACTION_STATE_REFUSED) {
    PlanTick tick(host, plan, context);
    const absl::Duration wait =
        result.has_retry_after() ? std::clamp(ToDuration(result.retry_after()), kShortestRefusalBackoff, kFutileBackoff)
                                 : kFutileBackoff;
    Block(planned, {.until = context.now.monotonic + wait, .refused = true}, plan);
    tick.Drop(found->in, found->it,
              StrCat("the agent refused it: ", result.reason(), "; not asked again for ", absl::FormatDuration(wait)));
    return tick.TakeDecisions();
  }
  planned.state = result.state();
  planned.state_reason = result.reason();
  if (result.state() == v1::ACTION_STATE_APPLIED && !planned.applied_at.has_value()) planned.applied_at = context.now;
  return {};
}

std::vector<v1::Decision> OnReceipt(const HostState& host, const v1::Receipt& receipt, HostPlan& plan,
                                    PlanContext& context) {
  Teach(receipt, context.arbiter);
  const auto found = FindLease(plan, receipt.action().lease_id());
  if (!found) return {};
  PlanTick tick(host, plan, context);
  switch (receipt.outcome()) {
    case v1::RECEIPT_OUTCOME_REVERTED:
      Block(found->planned(), {.until = context.now.monotonic + kFutileBackoff}, plan);
      tick.Drop(found->in, found->it,
                StrCat("it did not help: ", receipt.detail(), "; not asked again for ",
                       absl::FormatDuration(kFutileBackoff)));
      break;
    case v1::RECEIPT_OUTCOME_WORKLOAD_GONE:
      tick.Drop(found->in, found->it, "the workload is gone");
      break;
    case v1::RECEIPT_OUTCOME_EXPIRED:
    case v1::RECEIPT_OUTCOME_SHUTDOWN:
      found->planned().state = v1::ACTION_STATE_PENDING;
      found->planned().applied_at.reset();
      break;
    default:
      break;
  }
  return tick.TakeDecisions();
}

std::vector<v1::Decision> Adopt(const HostState& host, absl::Duration away, HostPlan& plan, PlanContext& context) {
  PlanTick tick(host, plan, context);
  std::erase_if(plan.blocked, [](const auto& entry) { return entry.second.refused; });
  plan.quotas_unsure_until = context.now.monotonic + QuotaSettles(host, context.policy);
  std::set<std::string> held_leases;
  for (const auto& held : host.held) {
    if (!held.unrestored()) held_leases.insert(held.action().lease_id());
  }
  const bool leases_ran_out = away > ToDuration(context.policy.lease_time_to_live());
  for (HostPlan::Actions* actions : {&plan.actions, &plan.allocations}) {
    for (auto it = actions->begin(); it != actions->end();) {
      PlannedAction& planned = it->second;
      if (held_leases.contains(planned.action.lease_id())) {
        ++it;
      } else if (leases_ran_out) {
        it = tick.Drop(*actions, it,
                       StrCat("its lease ran out while the host was not connected for ",
                              absl::FormatDuration(absl::Trunc(away, absl::Seconds(1)))));
      } else {
        planned.state = v1::ACTION_STATE_PENDING;
        planned.applied_at.reset();
        ++it;
      }
    }
  }
  for (const auto& held : host.held) {
    const auto key = std::pair(held.action().workload(), held.action().lever());
    HostPlan::Actions& actions = held.action().has_follow() ? plan.allocations : plan.actions;
    if (actions.contains(key) || held.unrestored() || held.action().lease_id().empty()) continue;
    actions.emplace(key, Adopted(held, context.policy, context.now));
  }
  return tick.TakeDecisions();
}

void FillDesiredSet(const HostState& host, const HostPlan& plan, const v1::Policy& policy, bool hold,
                    v1::DesiredSet* desired) {
  desired->set_hold(hold);
  for (const auto& rule : policy.mode_rules()) {
    if (rule.host().empty() || rule.host() == host.name) *desired->add_mode_rules() = rule;
  }
  if (hold) return;
  for (const PlannedAction* planned : AllActions(plan)) {
    if (!host.reported && !Holds(host, planned->action.lease_id())) continue;
    auto* action = desired->add_actions();
    *action = planned->action;
    *action->mutable_time_to_live() = policy.lease_time_to_live();
  }
}

}  // namespace truce::controller
