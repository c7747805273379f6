// OperatorService: who may call, then one call into the core each. Built by GrpcServer.
#pragma once

#include <grpcpp/impl/codegen/service_type.h>

#include <memory>

#include "controller/serve/core.h"

namespace truce::controller {

// `core` outlives the service. Synchronous: a call may wait for the store, on gRPC's own threads and never on a
// stream's.
std::unique_ptr<grpc::Service> MakeOperatorService(ControllerCore& core);

}  // namespace truce::controller
