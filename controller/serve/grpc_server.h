// The controller's gRPC server: agent, operator and scheduler services, health and reflection on one port.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controller/serve/advisor.h"
#include "controller/serve/core.h"

namespace truce::controller {

struct GrpcServerOptions {
  // "host:port"; port 0 for any.
  std::string listen;
  bool plaintext = false;
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  // Larger messages end their stream or call with RESOURCE_EXHAUSTED before anybody has read them.
  int message_bytes = 32 << 20;
};

class GrpcServer {
 public:
  virtual ~GrpcServer() = default;
  // "host:port" with the port that was really bound.
  virtual const std::string& address() const = 0;
  // Ends all streams and calls, and waits until they are gone, `grace` at most before they are cut.
  virtual void Stop(absl::Duration grace) = 0;
};

// `core` and `advisor` outlive the server. Unavailable when the port can't be had; security's errors name the file.
absl::StatusOr<std::unique_ptr<GrpcServer>> StartGrpcServer(const GrpcServerOptions& options, ControllerCore& core,
                                                            Advisor& advisor);

}  // namespace truce::controller
