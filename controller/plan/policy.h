// The policy: what the planner may do. Defaults, checks, and the two look-ups (threshold of a pair, mode of a
// workload). Used by the planner and by the operator service.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "controller/fleet/fleet.h"
#include "truce/v1/operator.pb.h"

namespace truce::controller {

// Trigger 60, restore 20, confidence 0.3, dwell 60 s, step 5 s, lease 30 s, ... (deploy/truce-controller.yaml says
// all).
v1::Policy DefaultPolicy();

// Gives every field that was left out (an absent number or duration, no global threshold) its value in `defaults`, and
// every score that a threshold leaves out that of the policy's global threshold. Zero is a value, not left out. Returns
// the names of the fields that it filled in, so that nobody has to guess.
std::vector<std::string> CompletePolicy(const v1::Policy& defaults, v1::Policy* policy);

// OK, or InvalidArgument that names every field that is wrong, its value and what is expected, one a line. `policy` is
// complete.
absl::Status CheckPolicy(const v1::Policy& policy);
// The same for one rule.
absl::Status CheckModeRule(const v1::ModeRule& rule);

// Whether two policies say the same (versions aside).
bool SamePolicy(const v1::Policy& a, const v1::Policy& b);
// What differs, one sentence each; empty when nothing does (versions aside). Both are complete.
std::vector<std::string> DescribeChanges(const v1::Policy& before, const v1::Policy& after);

// The threshold of an ordered pair: the most specific that matches; among equals the last.
const v1::Threshold& ThresholdOf(const v1::Policy& policy, const v1::Workload& victim, const v1::Workload& aggressor);

// The rule that sets a workload's mode: the most specific that matches (workload, then class, then host; among equals
// the last); nullptr when none does. Points into `policy`.
const v1::ModeRule* ModeRuleOf(const v1::Policy& policy, const HostState& host, const v1::Workload& workload);
// The mode in force for a workload: its rule's, or what the agent reports where no rule matches; never above the host's
// ceiling.
v1::Mode ModeOf(const v1::Policy& policy, const HostState& host, const v1::Workload& workload);
// The same for the host as a whole.
v1::Mode ModeOfHost(const v1::Policy& policy, const HostState& host);
// Puts the rule in the place of one for the same host, workload and class, or adds it.
void SetModeRule(const v1::ModeRule& rule, v1::Policy* policy);
// "host web-1, workload x", "class best_effort", "the fleet".
std::string DescribeScope(const v1::ModeRule& rule);

}  // namespace truce::controller
