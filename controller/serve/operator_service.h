// OperatorService and SchedulerService: who may call, then one call into the core each. Built by Server.
#pragma once

#include <grpcpp/impl/codegen/service_type.h>

#include <memory>

#include "controller/serve/core.h"

namespace truce::controller {

// `core` outlives the services. Synchronous: a call may wait for the store, on gRPC's own threads and never on a
// stream's.
std::unique_ptr<grpc::Service> MakeOperatorService(ControllerCore& core);
std::unique_ptr<grpc::Service> MakeSchedulerService(ControllerCore& core);

}  // namespace truce::controller
