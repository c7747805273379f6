// What is set aside for a workload: the forecasts that its agent reports, adjusted by what the controller knows beside
// them (models/demand/margin.h). Pure.
#pragma once

#include <vector>

#include "controller/fleet/fleet.h"
#include "models/demand/margin.h"
#include "truce/v1/drift.pb.h"
#include "truce/v1/operator.pb.h"

namespace truce::controller {

// Of one forecast. `risk` is the workload's; `drift` may be null.
AdjustedDemand AdjustedDemandOf(const HostState& host, const v1::WorkloadReport& report,
                                const v1::DemandForecast& forecast, double risk, const v1::DriftStatus* drift);

// All of a workload's, for operators.
std::vector<v1::DemandStatus> ViewDemands(const HostState& host, const v1::WorkloadReport& report, double risk,
                                          const v1::DriftStatus* drift);

}  // namespace truce::controller
