// What would become of the fleet with more workloads, or without some hosts. Pure.
#pragma once

#include <functional>

#include "absl/status/statusor.h"
#include "controller/plan/place/places.h"
#include "truce/v1/scheduler.pb.h"

namespace truce::controller {

// InvalidArgument for a request that asks for nothing or makes no sense, NotFound for hosts and domains that are not
// there, Cancelled soon after `cancelled` (may be empty) says so.
absl::StatusOr<v1::SimulateResponse> Simulate(PlacesSnapshot snapshot, const v1::SimulateRequest& request,
                                              const std::function<bool()>& cancelled = {});

}  // namespace truce::controller
