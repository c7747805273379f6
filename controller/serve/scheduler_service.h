// SchedulerService: who may call, then one call into Places each, and a stream of what the Advisor says. Built by
// GrpcServer.
#pragma once

#include <grpcpp/impl/codegen/service_type.h>

#include <memory>

#include "controller/plan/place/places.h"
#include "controller/serve/advisor.h"

namespace truce::controller {

// Both outlive the service. No call waits for more than the lock of `places`, but Simulate, which computes.
std::unique_ptr<grpc::Service> MakeSchedulerService(Places& places, Advisor& advisor);

}  // namespace truce::controller
