// Rules of the policy by which a workload's CPU quota follows what it needs: checks and the look-up. Used by the
// planner and by the policy.
#pragma once

#include <optional>
#include <string>

#include "controller/fleet/fleet.h"
#include "truce/v1/operator.pb.h"

namespace truce::controller {

// What is wrong with a rule, in one sentence; nullopt when it makes sense.
std::optional<std::string> ProblemOf(const v1::AllocationRule& rule);
// "shop on host web-1: 0.5 to 4 cores, 20 % headroom".
std::string DescribeAllocation(const v1::AllocationRule& rule);
// The first rule for the workload; nullptr when there is none. Points into `policy`.
const v1::AllocationRule* AllocationRuleOf(const v1::Policy& policy, const HostState& host,
                                           const v1::Workload& workload);
// The bounds for a workload that is not under such a quota yet. Where the rule says nothing: from the policy's floor to
// the CPUs that it may use, and its own quota where it has one.
v1::DemandFollowing BoundsOf(const v1::AllocationRule& rule, const v1::Policy& policy, const HostState& host,
                             const v1::WorkloadReport& report);

}  // namespace truce::controller
