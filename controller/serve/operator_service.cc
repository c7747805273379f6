#include "controller/serve/operator_service.h"

#include <string>
#include <utility>

#include "controller/serve/answer.h"
#include "src/base/text.h"
#include "src/rpc/security.h"
#include "truce/v1/operator.grpc.pb.h"

namespace truce::controller {
namespace {

// For the audit log: "operator alice".
std::string Who(const grpc::ServerContext& context) {
  const auto identity = rpc::CallerIdentity(context);
  if (!identity.ok()) return "somebody without a name";
  return StrCat(rpc::RoleName(identity->role), " ", identity->name);
}

class OperatorServiceImpl final : public v1::OperatorService::Service {
 public:
  explicit OperatorServiceImpl(ControllerCore& core) : core_(core) {}

  grpc::Status ListHosts(grpc::ServerContext* context, const v1::ListHostsRequest* request,
                         v1::ListHostsResponse* response) override {
    return Read(context, &ControllerCore::ListHosts, request, response);
  }
  grpc::Status ListWorkloads(grpc::ServerContext* context, const v1::ListWorkloadsRequest* request,
                             v1::ListWorkloadsResponse* response) override {
    return Read(context, &ControllerCore::ListWorkloads, request, response);
  }
  grpc::Status ListApplications(grpc::ServerContext* context, const v1::ListApplicationsRequest* request,
                                v1::ListApplicationsResponse* response) override {
    return Read(context, &ControllerCore::ListApplications, request, response);
  }
  grpc::Status ListPairs(grpc::ServerContext* context, const v1::ListPairsRequest* request,
                         v1::ListPairsResponse* response) override {
    return Read(context, &ControllerCore::ListPairs, request, response);
  }
  grpc::Status ListActions(grpc::ServerContext* context, const v1::ListActionsRequest* request,
                           v1::ListActionsResponse* response) override {
    return Read(context, &ControllerCore::ListActions, request, response);
  }
  grpc::Status ListEvents(grpc::ServerContext* context, const v1::ListEventsRequest* request,
                          v1::ListEventsResponse* response) override {
    return Read(context, &ControllerCore::ListEvents, request, response);
  }
  grpc::Status ListReceipts(grpc::ServerContext* context, const v1::ListReceiptsRequest* request,
                            v1::ListReceiptsResponse* response) override {
    return Read(context, &ControllerCore::ListReceipts, request, response);
  }
  grpc::Status ListDecisions(grpc::ServerContext* context, const v1::ListDecisionsRequest* request,
                             v1::ListDecisionsResponse* response) override {
    return Read(context, &ControllerCore::ListDecisions, request, response);
  }
  grpc::Status Explain(grpc::ServerContext* context, const v1::ExplainRequest* request,
                       v1::ExplainResponse* response) override {
    return Read(context, &ControllerCore::Explain, request, response);
  }
  grpc::Status GetPolicy(grpc::ServerContext* context, const v1::GetPolicyRequest*,
                         v1::GetPolicyResponse* response) override {
    if (auto status = Check(context); !status.ok()) return status;
    *response = core_.GetPolicy();
    return grpc::Status::OK;
  }
  grpc::Status SetMode(grpc::ServerContext* context, const v1::SetModeRequest* request,
                       v1::SetModeResponse* response) override {
    return Change(context, &ControllerCore::SetMode, request, response);
  }
  grpc::Status Hold(grpc::ServerContext* context, const v1::HoldRequest* request, v1::HoldResponse* response) override {
    return Change(context, &ControllerCore::Hold, request, response);
  }
  grpc::Status Resume(grpc::ServerContext* context, const v1::ResumeRequest* request,
                      v1::ResumeResponse* response) override {
    return Change(context, &ControllerCore::Resume, request, response);
  }
  grpc::Status ApplyPolicy(grpc::ServerContext* context, const v1::ApplyPolicyRequest* request,
                           v1::ApplyPolicyResponse* response) override {
    return Change(context, &ControllerCore::ApplyPolicy, request, response);
  }
  grpc::Status ListMigrations(grpc::ServerContext* context, const v1::ListMigrationsRequest* request,
                              v1::ListMigrationsResponse* response) override {
    return Read(context, &ControllerCore::ListMigrations, request, response);
  }
  grpc::Status Migrate(grpc::ServerContext* context, const v1::MigrateRequest* request,
                       v1::MigrateResponse* response) override {
    return Change(context, &ControllerCore::Migrate, request, response);
  }
  grpc::Status VerifyMigration(grpc::ServerContext* context, const v1::VerifyMigrationRequest* request,
                               v1::VerifyMigrationResponse* response) override {
    return Change(context, &ControllerCore::VerifyMigration, request, response);
  }
  grpc::Status ListModels(grpc::ServerContext* context, const v1::ListModelsRequest* request,
                          v1::ListModelsResponse* response) override {
    return Read(context, &ControllerCore::ListModels, request, response);
  }
  grpc::Status RollBackModel(grpc::ServerContext* context, const v1::RollBackModelRequest* request,
                             v1::RollBackModelResponse* response) override {
    return Change(context, &ControllerCore::RollBackModel, request, response);
  }

 private:
  static grpc::Status Check(grpc::ServerContext* context) {
    return rpc::ToGrpc(rpc::RequireRole(*context, {rpc::Role::kOperator}));
  }
  template <typename Request, typename Response>
  grpc::Status Read(grpc::ServerContext* context, absl::StatusOr<Response> (ControllerCore::*method)(const Request&),
                    const Request* request, Response* response) {
    if (auto status = Check(context); !status.ok()) return status;
    return Answer((core_.*method)(*request), response);
  }
  template <typename Request, typename Response>
  grpc::Status Change(grpc::ServerContext* context,
                      absl::StatusOr<Response> (ControllerCore::*method)(const Request&, std::string_view),
                      const Request* request, Response* response) {
    if (auto status = Check(context); !status.ok()) return status;
    return Answer((core_.*method)(*request, Who(*context)), response);
  }

  ControllerCore& core_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeOperatorService(ControllerCore& core) {
  return std::make_unique<OperatorServiceImpl>(core);
}

}  // namespace truce::controller
