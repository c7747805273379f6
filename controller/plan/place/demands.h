// What is set aside for a workload: the forecasts that its agent reports, adjusted by what the controller knows beside
// them (models/demand/margin.h). Pure.
#pragma once

#include <vector>

#include "controller/fleet/fleet.h"
#include "models/demand/margin.h"
#include "truce/v1/drift.pb.h"
#include "truce/v1/operator.pb.h"

namespace truce::controller {

// What of a forecast is set aside: the 95th percentile of the largest demand within its horizon, or a quantile of the
// demand at its end. What is above the latter for a moment has to be found in what others leave.
enum class SetAside { kPeak, kP50, kP90, kP95, kP99 };

// Of one forecast. `risk` is the workload's; `drift` may be null.
AdjustedDemand AdjustedDemandOf(const HostState& host, const v1::WorkloadReport& report,
                                const v1::DemandForecast& forecast, double risk, const v1::DriftStatus* drift,
                                SetAside set_aside = SetAside::kPeak);

// All of a workload's, for operators.
std::vector<v1::DemandStatus> ViewDemands(const HostState& host, const v1::WorkloadReport& report, double risk,
                                          const v1::DriftStatus* drift);

}  // namespace truce::controller
