#include "src/rpc/grpc_log.h"

#include <grpc/support/log.h>
#include <spdlog/spdlog.h>

#include <cstdlib>

namespace truce::rpc {
namespace {

void SayAtDebug(gpr_log_func_args* line) {
  spdlog::debug("gRPC: {}:{}: {}", line->file, line->line, line->message);
}

}  // namespace

void KeepGrpcLogQuiet() {
  if (std::getenv("GRPC_VERBOSITY") == nullptr && std::getenv("GRPC_TRACE") == nullptr) {
    gpr_set_log_function(SayAtDebug);
  }
}

}  // namespace truce::rpc
