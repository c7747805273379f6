// AgentService with gRPC's callback API: one small object per stream, no thread per stream. Built by Server.
#pragma once

#include <grpcpp/impl/codegen/service_type.h>

#include <memory>

#include "controller/serve/core.h"

namespace truce::controller {

// `plaintext` says that callers have no certificates (the server listens on loopback only). `core` outlives the
// service.
std::unique_ptr<grpc::Service> MakeAgentService(ControllerCore& core, bool plaintext);

}  // namespace truce::controller
