// The rule of who gives way, and the facts about a pair that the planner's tick rests on. Pure.
#pragma once

#include <optional>
#include <string>

#include "controller/fleet/fleet.h"
#include "controller/plan/arbiter.h"
#include "truce/v1/agent.pb.h"
#include "truce/v1/types.pb.h"

namespace truce::controller {

// Of two that contend, the lower class gives way, then the lower priority, then the heavier user of CPU; with all
// equal, the aggressor. True when that is the aggressor.
bool AggressorGivesWay(const v1::WorkloadReport& victim, const v1::WorkloadReport& aggressor);
// Why, for a person: "stress is best_effort and redis is critical".
std::string WhyGivesWay(const v1::WorkloadReport& giver, const v1::WorkloadReport& other);

// What the arbiter is asked about a pair.
Contention ContentionOf(const v1::WorkloadReport& victim, const v1::WorkloadReport& giver, v1::Resource resource);

// Whether Truce has a lever against contention for this resource.
bool HasLever(v1::Resource resource);
// Whether it raises its own victim, which gives way to nobody.
bool IsBoost(const v1::LeasedAction& action);
// Whether the need for the lever shows in the giver's use of CPUs.
bool IsAboutCpus(v1::Lever lever);
// Whether the operator allows the lever on the workload.
bool Allows(const v1::Workload& workload, v1::Lever lever);
// Why the host can't do it ("cpuset: not mounted"), or nullopt when it can.
std::optional<std::string> HostLacks(const v1::HostInventory& inventory, v1::Lever lever);

}  // namespace truce::controller
