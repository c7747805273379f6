// Turns what the agent knows into the wire's report. Pure; tick thread.
#pragma once

#include <string>
#include <vector>

#include "agent/predict/scores.h"
#include "agent/profile/profiler.h"
#include "agent/sense/workload.h"
#include "truce/v1/agent.pb.h"

namespace truce::agent {

// The sample's valid readings, field by field by name.
void ToWire(const Sample& sample, v1::Readings* readings);
// Who the workload is; `mode` is the one in force, `migration_drivers` are those that could move it.
void ToWire(const WorkloadIdentity& identity, v1::Mode mode, const std::vector<std::string>& migration_drivers,
            v1::Workload* workload);
// Mean and 95th percentile of each reading over the newest `samples` samples of the window, and the baselines.
void Summarise(const Profile& profile, size_t samples, v1::FingerprintSummary* summary);

}  // namespace truce::agent
