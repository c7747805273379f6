// Rules of the policy by which a workload's CPU quota follows what it needs: checks and the look-up. Used by the
// planner and by the policy.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "controller/fleet/fleet.h"
#include "truce/v1/operator.pb.h"

namespace truce::controller {

// What is wrong with the policy's rules, one sentence each: also with those that no agent would ever follow, and those
// that an earlier one always comes before. Empty when they make sense.
std::vector<std::string> AllocationProblems(const v1::Policy& policy);
// "shop on host web-1: 0.5 to 4 cores, 20 % headroom".
std::string DescribeAllocation(const v1::AllocationRule& rule);
// The first rule for the workload; nullptr when there is none. Points into `policy`.
const v1::AllocationRule* AllocationRuleOf(const v1::Policy& policy, const HostState& host,
                                           const v1::Workload& workload);
// The bounds for a workload. Where the rule says nothing: from the policy's floor to the CPUs that it may use, and its
// own quota where it has one. `held`: those under which its quota follows already; null when it is under none of ours.
// Its quota is ours then and says nothing of what it had before, so the most of `held` stands for that.
v1::DemandFollowing BoundsOf(const v1::AllocationRule& rule, const v1::Policy& policy, const HostState& host,
                             const v1::WorkloadReport& report, const v1::DemandFollowing* held);
// For how long after a quota of ours was last in force, or asked for, the quota that a report of the host shows may
// still be that one.
absl::Duration QuotaSettles(const HostState& host, const v1::Policy& policy);

}  // namespace truce::controller
