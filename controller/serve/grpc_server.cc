#include "controller/serve/grpc_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <chrono>
#include <utility>

#include "controller/serve/agent_service.h"
#include "controller/serve/operator_service.h"
#include "controller/serve/scheduler_service.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/rpc/security.h"

namespace truce::controller {
namespace {

// Agents behind a dead link are found within a minute even when they have nothing to say.
constexpr int kKeepaliveMs = 30'000;
constexpr int kKeepaliveTimeoutMs = 20'000;
// Synchronous calls (operators, schedulers) use at most so many threads.
constexpr int kSyncThreads = 16;

class GrpcServerImpl final : public GrpcServer {
 public:
  GrpcServerImpl(ControllerCore& core, Advisor& advisor, bool plaintext)
      : core_(core),
        agents_(MakeAgentService(core, plaintext)),
        operators_(MakeOperatorService(core)),
        schedulers_(MakeSchedulerService(core.places(), advisor)) {}
  ~GrpcServerImpl() override { Stop(absl::Seconds(1)); }

  absl::Status Start(const GrpcServerOptions& options) {
    TRUCE_ASSIGN_OR_RETURN(const auto credentials, rpc::ServerCredentials({options.plaintext, options.ca_file,
                                                                           options.certificate_file, options.key_file},
                                                                          options.listen));
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort(options.listen, credentials, &port);
    // Without this a second controller on the same port would silently get half of the agents.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000);
    builder.SetMaxReceiveMessageSize(options.message_bytes);
    builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
    grpc::ResourceQuota quota("truce-controller");
    quota.SetMaxThreads(kSyncThreads);
    builder.SetResourceQuota(quota);
    builder.RegisterService(agents_.get());
    builder.RegisterService(operators_.get());
    builder.RegisterService(schedulers_.get());
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port <= 0) {
      return absl::UnavailableError(StrCat("listen: ", options.listen,
                                           " can't be had: another program listens there, or "
                                           "the address is not this machine's; give another port, or 0 for any"));
    }
    server_->GetHealthCheckService()->SetServingStatus(true);
    address_ = StrCat(options.listen.substr(0, options.listen.rfind(':')), ":", port);
    return absl::OkStatus();
  }

  const std::string& address() const override { return address_; }

  void Stop(absl::Duration grace) override {
    if (server_ == nullptr) return;
    server_->GetHealthCheckService()->SetServingStatus(false);
    core_.CloseAll(absl::UnavailableError("the controller is stopping; connect again later"));
    server_->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMicroseconds(grace));
    server_->Wait();
    server_.reset();
  }

 private:
  ControllerCore& core_;
  const std::unique_ptr<grpc::Service> agents_;
  const std::unique_ptr<grpc::Service> operators_;
  const std::unique_ptr<grpc::Service> schedulers_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcServer>> StartGrpcServer(const GrpcServerOptions& options, ControllerCore& core,
                                                            Advisor& advisor) {
  auto server = std::make_unique<GrpcServerImpl>(core, advisor, options.plaintext);
  TRUCE_RETURN_IF_ERROR(server->Start(options));
  return server;
}

}  // namespace truce::controller
