#include "controller/cli/connection.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <utility>

#include "src/base/status.h"
#include "src/base/text.h"
#include "src/rpc/security.h"
#include "src/rpc/unreachable.h"
#include "truce/v1/operator.grpc.pb.h"
#include "truce/v1/scheduler.grpc.pb.h"

namespace truce::cli {
namespace {

// A person waits for the answer; a dead server must be told within 5 s.
constexpr std::chrono::milliseconds kCallTimeout(4500);
// More than twice the longest placement.advice_time: one may be under way.
constexpr std::chrono::milliseconds kThinkTimeout(1'500'000);
// A fleet of 10,000 hosts with their workloads in one answer.
constexpr int kLargestAnswer = 512 << 20;

// What gRPC says of a failed connection, as the one thing to check.
absl::Status Unreachable(const ConnectionFlags& flags, const grpc::Status& status) {
  const std::string address = StrCat("the controller at ", flags.server);
  switch (rpc::HindranceOf(status)) {
    case rpc::Hindrance::kNoTls:
      return absl::UnavailableError(StrCat(address, " does not speak TLS; add --plaintext if it is meant to"));
    case rpc::Hindrance::kOtherAuthority:
    case rpc::Hindrance::kOtherName:
      return absl::UnavailableError(StrCat(
          address, " and this certificate do not trust each other; check that --ca (", flags.ca_file,
          ") is the CA that signed the controller's certificate, and that the certificate names the address you use "
          "(trucectl certs show)"));
    case rpc::Hindrance::kNothingListens:
      return absl::UnavailableError(StrCat("nothing listens at ", flags.server,
                                           "; check that truce-controller is running there (systemctl status "
                                           "truce-controller) and that --server or TRUCE_SERVER is right"));
    case rpc::Hindrance::kUnresolved:
      return absl::UnavailableError(
          StrCat("the name in ", flags.server, " does not resolve; check --server or TRUCE_SERVER"));
    case rpc::Hindrance::kClosed:
      return absl::UnavailableError(
          flags.plaintext ? StrCat(address, " closed the connection; if it speaks TLS, leave out --plaintext")
                          : StrCat(address, " closed the connection; check that --cert (", flags.certificate_file,
                                   ") was signed by its CA and is still valid (trucectl certs show)"));
    case rpc::Hindrance::kNoAnswer:
    case rpc::Hindrance::kUnknown:
      break;
  }
  const std::string detail = status.error_message();  // a copy: gRPC may return it by value
  return absl::UnavailableError(
      StrCat(address, " cannot be reached (", detail,
             "); check --server or TRUCE_SERVER, and that truce-controller is running there"));
}

absl::Status Explained(const ConnectionFlags& flags, const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::OK:
      return absl::OkStatus();
    case grpc::StatusCode::UNAVAILABLE:
      return Unreachable(flags, status);
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return absl::DeadlineExceededError(
          StrCat("no answer from the controller at ", flags.server,
                 " within 4.5 s; check that truce-controller is running there, that no firewall is between, and that "
                 "--server or TRUCE_SERVER is right"));
    case grpc::StatusCode::UNIMPLEMENTED:
      return absl::UnimplementedError(StrCat("the server at ", flags.server,
                                             " does not know this call; is it a truce-controller of this version?"));
    default:
      return rpc::FromGrpc(status);
  }
}

}  // namespace

struct OperatorClient::Channel {
  std::unique_ptr<v1::OperatorService::Stub> stub;
  std::unique_ptr<v1::SchedulerService::Stub> scheduler;
};

OperatorClient::OperatorClient(ConnectionFlags flags, std::unique_ptr<Channel> channel)
    : flags_(std::move(flags)), channel_(std::move(channel)) {}
OperatorClient::~OperatorClient() = default;

absl::StatusOr<std::unique_ptr<OperatorClient>> OperatorClient::Connect(const ConnectionFlags& flags) {
  auto credentials = rpc::ClientCredentials({.plaintext = flags.plaintext,
                                             .ca_file = flags.ca_file,
                                             .certificate_file = flags.certificate_file,
                                             .key_file = flags.key_file},
                                            flags.server);
  if (absl::IsNotFound(credentials.status())) {
    return absl::NotFoundError(StrCat(credentials.status().message(),
                                      "; give --ca, --cert and --key (or TRUCE_CA, TRUCE_CERT, TRUCE_KEY), or make "
                                      "certificates with trucectl certs init"));
  }
  if (!credentials.ok()) return credentials.status();
  grpc::ChannelArguments arguments;
  // The controller is inside; a proxy for the way out must not get in between.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(kLargestAnswer);
  // --watch should be back soon after the controller is.
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  auto channel = std::make_unique<Channel>();
  const auto connection = grpc::CreateCustomChannel(flags.server, *credentials, arguments);
  channel->stub = v1::OperatorService::NewStub(connection);
  channel->scheduler = v1::SchedulerService::NewStub(connection);
  return std::unique_ptr<OperatorClient>(new OperatorClient(flags, std::move(channel)));
}

#define TRUCE_CALL(Stub, Name)                                                                    \
  absl::StatusOr<v1::Name##Response> OperatorClient::Name(const v1::Name##Request& request) {     \
    grpc::ClientContext context;                                                                  \
    context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);                        \
    v1::Name##Response response;                                                                  \
    TRUCE_RETURN_IF_ERROR(Explained(flags_, channel_->Stub->Name(&context, request, &response))); \
    return response;                                                                              \
  }
#define TRUCE_OPERATOR_CALL(Name) TRUCE_CALL(stub, Name)
TRUCE_OPERATOR_CALL(ListHosts)
TRUCE_OPERATOR_CALL(ListWorkloads)
TRUCE_OPERATOR_CALL(ListApplications)
TRUCE_OPERATOR_CALL(ListPairs)
TRUCE_OPERATOR_CALL(ListActions)
TRUCE_OPERATOR_CALL(ListEvents)
TRUCE_OPERATOR_CALL(ListReceipts)
TRUCE_OPERATOR_CALL(ListDecisions)
TRUCE_OPERATOR_CALL(Explain)
TRUCE_OPERATOR_CALL(SetMode)
TRUCE_OPERATOR_CALL(Hold)
TRUCE_OPERATOR_CALL(Resume)
TRUCE_OPERATOR_CALL(GetPolicy)
TRUCE_OPERATOR_CALL(ApplyPolicy)
TRUCE_OPERATOR_CALL(ListMigrations)
TRUCE_OPERATOR_CALL(Migrate)
TRUCE_OPERATOR_CALL(VerifyMigration)
TRUCE_OPERATOR_CALL(ListModels)
TRUCE_OPERATOR_CALL(RollBackModel)
#undef TRUCE_OPERATOR_CALL
TRUCE_CALL(scheduler, Place)
TRUCE_CALL(scheduler, Release)
TRUCE_CALL(scheduler, ExplainPlacement)
TRUCE_CALL(scheduler, Simulate)
#undef TRUCE_CALL

absl::StatusOr<v1::WatchAdviceResponse> OperatorClient::NewestAdvice(bool anew) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + (anew ? kThinkTimeout : kCallTimeout));
  v1::WatchAdviceRequest request;
  request.set_anew(anew);
  const auto reader = channel_->scheduler->WatchAdvice(&context, request);
  v1::WatchAdviceResponse response;
  if (!reader->Read(&response)) return Explained(flags_, reader->Finish());
  context.TryCancel();
  (void)reader->Finish();
  return response;
}

}  // namespace truce::cli
