// Turns the controller's state into what operators read: the messages of the operator service, and Explain's sentences.
// Pure; called by ControllerCore.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "controller/fleet/fleet.h"
#include "controller/plan/planner.h"
#include "truce/v1/operator.pb.h"

namespace truce::controller {

// "a, b, c, ...": the first few of the names, each once; "" for none.
std::string Candidates(std::vector<std::string> names);

v1::HostStatus ViewHost(const HostState& host, const HostPlan& plan, const v1::Policy& policy, bool held);
v1::ActionStatus ViewAction(const HostState& host, const PlannedAction& planned);
v1::PairStatus ViewPair(const HostState& host, const HostPlan& plan, const v1::Policy& policy,
                        const v1::PairScore& score);

// Risk and worst score of every workload of a host at once: one pass over the pairs.
std::vector<v1::WorkloadStatus> ViewWorkloads(const HostState& host, const HostPlan& plan, const v1::Policy& policy);

// What is proposed or under way, and how to begin it: one sentence.
std::string SayMigration(const v1::Migration& migration, Moment now);

// Why a victim is slow, who is suspected, what Truce does about it: one sentence a line, for a person at 3 am.
// `only_suspect` is the full name of the one that was asked about, or empty. `migrations` are those that have not
// ended.
std::vector<std::string> ExplainSentences(const HostState& host, const HostPlan& plan, const v1::Policy& policy,
                                          bool held, Moment now, const v1::ExplainResponse& facts,
                                          std::string_view only_suspect, const std::vector<v1::Migration>& migrations);

}  // namespace truce::controller
