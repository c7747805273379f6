// The files of the data set for topology-aware VM placement (Huawei Cloud): servers with what is free of their two NUMA
// nodes, requests in their order; and plans. docs/lab.md says how their columns are understood.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "lab/pack/numa_problem.h"

namespace truce::lab {

// Servers: CPU1,RAM1,CPU2,RAM2. Requests: flavor_vcpus,flavor_ram,numa,strategy,group,domain. Other columns are left
// alone; both files may be compressed. Servers are dealt to as many domains as the requests name, in runs of the list.
// InvalidArgument names the file, the line and what was expected there.
absl::StatusOr<NumaProblem> ReadHuaweiProblem(const std::string& servers, const std::string& requests);

// `request,server,nodes`, a line for each request in its order, all counted from 0; nodes are 1, 2 or 1+2; server and
// nodes are empty for what is not placed.
std::string HuaweiPlanText(const Plan& plan);
// The same back. InvalidArgument, with the line of `name`, for what is no such plan of `problem`; rules are not looked
// at.
absl::StatusOr<Plan> ParseHuaweiPlan(std::string_view name, std::string_view text, const NumaProblem& problem);

}  // namespace truce::lab
