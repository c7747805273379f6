#include "lab/fleet/control/through_grpc.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <utility>
#include <vector>

#include "controller/serve/advisor.h"
#include "controller/serve/grpc_server.h"
#include "lab/fleet/control/agent_stream.h"
#include "lab/fleet/control/local_controller.h"
#include "src/base/status.h"
#include "src/rpc/security.h"
#include "truce/v1/scheduler.grpc.pb.h"

namespace truce::lab::fleet {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(60);

class ThroughGrpc final : public ControllerLink {
 public:
  absl::Status Start(const ThroughGrpcOptions& options) {
    TRUCE_ASSIGN_OR_RETURN(controller_, LocalController::Start(clock_));
    advice_time_ = options.advice_time;
    controller::AdvisorOptions advising;
    // Only when it is asked for.
    advising.interval = absl::Hours(10'000);
    advising.advise.time = options.advice_time;
    advising.advise.most_moves = options.most_moves;
    advisor_ = std::make_unique<controller::Advisor>(advising, controller_->core().places(), clock_);
    controller::GrpcServerOptions server;
    server.listen = "127.0.0.1:0";
    server.plaintext = true;
    TRUCE_ASSIGN_OR_RETURN(server_, StartGrpcServer(server, controller_->core(), *advisor_));
    const auto channel = grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials());
    agents_ = v1::AgentService::NewStub(channel);
    scheduler_ = v1::SchedulerService::NewStub(channel);
    return absl::OkStatus();
  }

  absl::Status Connect(const v1::Hello& hello) override {
    Host& host = hosts_.emplace_back();
    host.stream = std::make_unique<AgentStream>(*agents_);
    v1::ConnectRequest request;
    *request.mutable_hello() = hello;
    host.stream->Send(std::move(request));
    return host.stream->Await(0, kTimeout);
  }

  absl::Status Report(size_t number, const v1::Report& report) override {
    Host& host = hosts_[number];
    if (host.sent == host.awaited) unsettled_.push_back(number);
    host.sent = report.sequence();
    v1::ConnectRequest request;
    *request.mutable_report() = report;
    host.stream->Send(std::move(request));
    return absl::OkStatus();
  }

  void Elapse(absl::Duration) override {}

  absl::StatusOr<v1::PlaceResponse> Place(const v1::PlaceRequest& request) override {
    return Ask<v1::PlaceResponse>(&v1::SchedulerService::Stub::Place, request);
  }
  absl::StatusOr<v1::ScoreHostsResponse> ScoreHosts(const v1::ScoreHostsRequest& request) override {
    return Ask<v1::ScoreHostsResponse>(&v1::SchedulerService::Stub::ScoreHosts, request);
  }
  absl::StatusOr<v1::ReserveResponse> Reserve(const v1::ReserveRequest& request) override {
    return Ask<v1::ReserveResponse>(&v1::SchedulerService::Stub::Reserve, request);
  }
  absl::StatusOr<v1::ReleaseResponse> Release(const v1::ReleaseRequest& request) override {
    return Ask<v1::ReleaseResponse>(&v1::SchedulerService::Stub::Release, request);
  }

  absl::StatusOr<v1::Advice> Advise(int32_t) override {
    TRUCE_RETURN_IF_ERROR(Settle());
    TRUCE_RETURN_IF_ERROR(controller_->Understood());
    grpc::ClientContext context;
    SetDeadline(&context, kTimeout + 3 * advice_time_);
    v1::WatchAdviceRequest request;
    request.set_anew(true);
    const auto stream = scheduler_->WatchAdvice(&context, request);
    v1::WatchAdviceResponse response;
    if (!stream->Read(&response)) return rpc::FromGrpc(stream->Finish());
    context.TryCancel();
    (void)stream->Finish();
    if (!response.advice().failure().empty()) return absl::InternalError(response.advice().failure());
    return response.advice();
  }

 private:
  struct Host {
    std::unique_ptr<AgentStream> stream;
    uint64_t sent = 0;
    uint64_t awaited = 0;
  };

  static void SetDeadline(grpc::ClientContext* context, absl::Duration time) {
    context->set_deadline(std::chrono::system_clock::now() + absl::ToChronoSeconds(time));
  }

  // Until everything that was reported is taken in.
  absl::Status Settle() {
    for (const size_t number : unsettled_) {
      Host& host = hosts_[number];
      TRUCE_RETURN_IF_ERROR(host.stream->Await(host.sent, kTimeout));
      host.awaited = host.sent;
    }
    unsettled_.clear();
    return absl::OkStatus();
  }

  template <typename Response, typename Request>
  absl::StatusOr<Response> Ask(grpc::Status (v1::SchedulerService::Stub::*method)(grpc::ClientContext*, const Request&,
                                                                                  Response*),
                               const Request& request) {
    TRUCE_RETURN_IF_ERROR(Settle());
    grpc::ClientContext context;
    SetDeadline(&context, kTimeout);
    Response response;
    const grpc::Status status = (scheduler_.get()->*method)(&context, request, &response);
    if (!status.ok()) return rpc::FromGrpc(status);
    return response;
  }

  const Clock& clock_ = SystemClock();
  absl::Duration advice_time_;
  std::unique_ptr<LocalController> controller_;
  std::unique_ptr<controller::Advisor> advisor_;
  std::unique_ptr<controller::GrpcServer> server_;
  std::unique_ptr<v1::AgentService::Stub> agents_;
  std::unique_ptr<v1::SchedulerService::Stub> scheduler_;
  // Of these something was sent that nobody has waited for yet.
  std::vector<size_t> unsettled_;
  std::vector<Host> hosts_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ControllerLink>> LinkThroughGrpc(const ThroughGrpcOptions& options) {
  auto link = std::make_unique<ThroughGrpc>();
  TRUCE_RETURN_IF_ERROR(link->Start(options));
  return link;
}

}  // namespace truce::lab::fleet
