// The forecasts that agents report: whether they make sense, and how long they are kept.
#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "truce/v1/agent.pb.h"

namespace truce::controller {

// One that is older says nothing of what is to come.
inline constexpr absl::Duration kForecastLife = absl::Minutes(15);
// More than any agent tells: resources, and times ahead.
inline constexpr int kMostForecasts = 8;
inline constexpr int kMostHorizons = 32;

// What is wrong with a workload's forecasts and bursts; nullopt when nothing is.
std::optional<std::string> ProblemOfForecasts(const v1::WorkloadReport& report);

// Forecasts come with a few reports only: gives `newer` those of `older`, which is about the same workload, when it has
// none and they are not too old at `now`.
void KeepForecasts(v1::WorkloadReport&& older, absl::Time now, v1::WorkloadReport* newer);

// The forecast of one resource; nullptr when there is none.
const v1::DemandForecast* ForecastOf(const v1::WorkloadReport& report, v1::Resource resource);

}  // namespace truce::controller
