// The way to the controller. Keeps gRPC's heavy headers out of the commands.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "truce/v1/operator.pb.h"
#include "truce/v1/scheduler.pb.h"

namespace truce::cli {

// --server and its security.
struct ConnectionFlags {
  std::string server = "127.0.0.1:7443";
  std::string ca_file = "/etc/truce/pki/ca.crt";
  std::string certificate_file = "/etc/truce/pki/operator.crt";
  std::string key_file = "/etc/truce/pki/operator.key";
  bool plaintext = false;
};

// OperatorService and SchedulerService, one method per call, each answered or failed within 4.5 s. When the controller
// does not answer, the error is one sentence that names the address and what to check. Not thread-safe.
class OperatorClient {
 public:
  // Fails when a certificate file is missing or plain text is asked for off loopback; doesn't wait for the controller.
  static absl::StatusOr<std::unique_ptr<OperatorClient>> Connect(const ConnectionFlags& flags);
  ~OperatorClient();

  absl::StatusOr<v1::ListHostsResponse> ListHosts(const v1::ListHostsRequest& request);
  absl::StatusOr<v1::ListWorkloadsResponse> ListWorkloads(const v1::ListWorkloadsRequest& request);
  absl::StatusOr<v1::ListApplicationsResponse> ListApplications(const v1::ListApplicationsRequest& request);
  absl::StatusOr<v1::ListPairsResponse> ListPairs(const v1::ListPairsRequest& request);
  absl::StatusOr<v1::ListActionsResponse> ListActions(const v1::ListActionsRequest& request);
  absl::StatusOr<v1::ListEventsResponse> ListEvents(const v1::ListEventsRequest& request);
  absl::StatusOr<v1::ListReceiptsResponse> ListReceipts(const v1::ListReceiptsRequest& request);
  absl::StatusOr<v1::ListDecisionsResponse> ListDecisions(const v1::ListDecisionsRequest& request);
  absl::StatusOr<v1::ExplainResponse> Explain(const v1::ExplainRequest& request);
  absl::StatusOr<v1::SetModeResponse> SetMode(const v1::SetModeRequest& request);
  absl::StatusOr<v1::HoldResponse> Hold(const v1::HoldRequest& request);
  absl::StatusOr<v1::ResumeResponse> Resume(const v1::ResumeRequest& request);
  absl::StatusOr<v1::GetPolicyResponse> GetPolicy(const v1::GetPolicyRequest& request);
  absl::StatusOr<v1::ApplyPolicyResponse> ApplyPolicy(const v1::ApplyPolicyRequest& request);
  absl::StatusOr<v1::ListMigrationsResponse> ListMigrations(const v1::ListMigrationsRequest& request);
  absl::StatusOr<v1::MigrateResponse> Migrate(const v1::MigrateRequest& request);
  absl::StatusOr<v1::VerifyMigrationResponse> VerifyMigration(const v1::VerifyMigrationRequest& request);
  absl::StatusOr<v1::ListModelsResponse> ListModels(const v1::ListModelsRequest& request);
  absl::StatusOr<v1::RollBackModelResponse> RollBackModel(const v1::RollBackModelRequest& request);

  absl::StatusOr<v1::PlaceResponse> Place(const v1::PlaceRequest& request);
  absl::StatusOr<v1::ReleaseResponse> Release(const v1::ReleaseRequest& request);
  absl::StatusOr<v1::ExplainPlacementResponse> ExplainPlacement(const v1::ExplainPlacementRequest& request);
  absl::StatusOr<v1::SimulateResponse> Simulate(const v1::SimulateRequest& request);
  // The first message of WatchAdvice: the newest advice, or nothing when none was thought out yet. `anew`: one that is
  // thought out now, which takes as long as the controller is configured to.
  absl::StatusOr<v1::WatchAdviceResponse> NewestAdvice(bool anew);

 private:
  struct Channel;
  OperatorClient(ConnectionFlags flags, std::unique_ptr<Channel> channel);

  ConnectionFlags flags_;
  std::unique_ptr<Channel> channel_;
};

}  // namespace truce::cli
