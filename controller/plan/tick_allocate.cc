// What of a planning round is about quotas that follow what a workload itself needs. They protect nobody, so they are
// kept apart from the actions that do, and give way to them.
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_format.h"
#include "controller/fleet/words.h"
#include "controller/plan/allocations.h"
#include "controller/plan/give_way.h"
#include "controller/plan/policy.h"
#include "controller/plan/tick.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

using google::protobuf::util::MessageDifferencer;
using Key = std::pair<std::string, v1::Lever>;

}  // namespace

std::string PlanTick::WhyNotAllocated(const v1::WorkloadReport& report) const {
  const v1::Workload& workload = report.workload();
  if (AllocationRuleOf(policy_, host_, workload) == nullptr) return "no rule of the policy names it any more";
  if (workload.workload_class() == v1::WORKLOAD_CLASS_CRITICAL) return "it is critical, and never reduced";
  if (workload.workload_class() == v1::WORKLOAD_CLASS_UNSPECIFIED) return "its class is not known";
  if (!Allows(workload, v1::LEVER_CPU_QUOTA)) return "cpu_quota is not among its allowed levers";
  if (const auto lacks = HostLacks(host_.inventory, v1::LEVER_CPU_QUOTA)) return *lacks;
  if (ModeOf(policy_, host_, workload) == v1::MODE_OBSERVE) return "its mode is observe";
  if (IsBusy(workload.name())) return "it is being moved to another host, or was moved lately";
  if (plan_.actions.contains(Key(workload.name(), v1::LEVER_CPU_QUOTA))) return "a quota protects somebody from it";
  return "";
}

void PlanTick::NoteOwnQuotas() {
  std::erase_if(plan_.quota_ours_until, [this](const auto& entry) { return now_ >= entry.second; });
  const absl::Duration until = now_ + QuotaSettles(host_, policy_);
  const auto note = [&](const v1::LeasedAction& action) {
    if (action.lever() != v1::LEVER_CPU_QUOTA || action.mode() == v1::MODE_ADVISE) return;
    plan_.quota_ours_until[action.workload()] = until;
  };
  for (const v1::HeldAction& held : host_.held) note(held.action());
  // What is asked for may come and go between two reports.
  for (const PlannedAction* planned : AllActions(plan_)) note(planned->action);
}

bool PlanTick::MayReadOurs(const v1::WorkloadReport& report) const {
  // Where none is read, none of its own is hidden by ours.
  if (!(report.readings().cpu_quota_cores() > 0)) return false;
  return now_ < plan_.quotas_unsure_until || plan_.quota_ours_until.contains(report.workload().name());
}

bool PlanTick::AllocationBraked() {
  // Half of what may be done is left to what protects somebody.
  const uint32_t host_limit = (policy_.host_actions_per_minute() + 1) / 2;
  const uint32_t fleet_limit = (policy_.fleet_actions_per_minute() + 1) / 2;
  if (context_.brake.Tripped(policy_.fleet_brake_ratio()) || !plan_.rate.Allows(now_, host_limit) ||
      !context_.brake.rate.Allows(now_, fleet_limit)) {
    return true;
  }
  plan_.rate.Take(now_);
  context_.brake.rate.Take(now_);
  return false;
}

void PlanTick::Allocate() {
  NoteOwnQuotas();
  for (auto it = plan_.allocations.begin(); it != plan_.allocations.end();) {
    const v1::WorkloadReport* report = host_.Find(it->first.first);
    std::string why_not = report == nullptr ? "the workload is gone" : WhyNotAllocated(*report);
    if (report != nullptr && it->second.action.workload_instance() != report->workload().instance()) {
      why_not = "the workload was made anew";
    }
    if (why_not.empty() && MayHaveMore(*report, &it->second)) why_not = "its rule allows more now; it begins anew";
    it = why_not.empty() ? std::next(it) : Drop(plan_.allocations, it, why_not);
  }
  if (policy_.allocations().empty()) return;
  for (const v1::WorkloadReport& report : host_.report.workloads()) {
    if (WhyNotAllocated(report).empty()) AllocateOne(report);
  }
}

// What it had before is known only when no quota of ours is on it, so a bound is raised by beginning anew.
bool PlanTick::MayHaveMore(const v1::WorkloadReport& report, PlannedAction* planned) const {
  const v1::AllocationRule& rule = *AllocationRuleOf(policy_, host_, report.workload());
  const std::string words = DescribeAllocation(rule);
  const std::string before = std::exchange(planned->rule, words);
  // Empty: taken over from an agent.
  if (before.empty() || before == words) return false;
  return !rule.has_most_cores() || rule.most_cores() > planned->action.follow().most_cores();
}

void PlanTick::AllocateOne(const v1::WorkloadReport& report) {
  const v1::Workload& workload = report.workload();
  const Key key(workload.name(), v1::LEVER_CPU_QUOTA);
  const v1::Mode mode = ModeOf(policy_, host_, workload);
  const v1::AllocationRule& rule = *AllocationRuleOf(policy_, host_, workload);
  const auto held = plan_.allocations.find(key);
  const bool is_new = held == plan_.allocations.end();
  v1::DemandFollowing bounds = BoundsOf(rule, policy_, host_, report, is_new ? nullptr : &held->second.action.follow());
  if (is_new) {
    // A quota of ours that is taken for the workload's own would bound it for ever.
    if (plan_.blocked.contains({"", key.first, key.second}) || MayReadOurs(report) || AllocationBraked()) return;
  } else if (held->second.action.mode() == mode && MessageDifferencer::Equals(bounds, held->second.action.follow())) {
    return;
  }
  PlannedAction& planned = plan_.allocations[key];
  v1::LeasedAction& action = planned.action;
  std::string why = StrCat("its quota follows what it needs, by the policy's allocation ", DescribeAllocation(rule));
  if (is_new) {
    action.set_lease_id(StrCat(context_.lease_prefix, "-", host_.name, "-", plan_.next_lease++));
    action.set_workload(workload.name());
    action.set_workload_instance(workload.instance());
    action.set_lever(v1::LEVER_CPU_QUOTA);
    action.set_workload_application(workload.application());
    action.set_resource(v1::RESOURCE_CPU);
    planned.created_at = context_.now;
    planned.victims.insert("");
    planned.rule = DescribeAllocation(rule);
  } else if (action.mode() != mode) {
    planned.applied_at.reset();
    why = StrCat("the mode of ", workload.name(), " is ", ModeWord(mode), " now; ", why);
  }
  action.set_workload_class(workload.workload_class());
  action.set_mode(mode);
  action.set_quota_cores(bounds.most_cores());
  *action.mutable_follow() = std::move(bounds);
  planned.changed_at = now_;
  planned.state = v1::ACTION_STATE_PENDING;
  action.set_reason(std::move(why));
  action.set_decision_id(Decide("apply", planned, nullptr, action.reason()).id());
}

}  // namespace truce::controller
