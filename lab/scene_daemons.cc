#include "lab/scene_daemons.h"

#include <grpcpp/create_channel.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/file.h"
#include "src/rpc/certificates.h"
#include "src/rpc/security.h"
#include "truce/v1/operator.grpc.pb.h"

namespace truce::lab {
namespace {

constexpr absl::Duration kStartLimit = absl::Seconds(20);
constexpr absl::Duration kCallLimit = absl::Seconds(2);

absl::Status WriteFile(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  file.close();
  if (!file) return absl::UnavailableError(StrCat("writing ", path, ": is the disk full?"));
  return absl::OkStatus();
}

std::string HostName() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  return name;
}

class RunningDaemons final : public SceneDaemons {
 public:
  explicit RunningDaemons(const SceneDaemonsOptions& options)
      : options_(options), directory_(options.directory), binaries_(options.binaries) {}
  ~RunningDaemons() override { Stop(); }

  absl::Status Start() {
    TRUCE_RETURN_IF_ERROR(MakeCertificates());
    TRUCE_RETURN_IF_ERROR(StartController());
    TRUCE_RETURN_IF_ERROR(ConnectOperator());
    TRUCE_RETURN_IF_ERROR(SetMode());
    TRUCE_RETURN_IF_ERROR(StartAgent());
    return WaitForAgent();
  }

  absl::StatusOr<SceneView> Look(const std::string& victim) override {
    SceneView view;
    v1::ListHostsResponse hosts;
    TRUCE_RETURN_IF_ERROR(Call(&v1::OperatorService::Stub::ListHosts, v1::ListHostsRequest(), &hosts));
    for (const v1::HostStatus& host : hosts.hosts()) {
      view.host = host;
      view.agent_connected = host.connected();
    }
    v1::ListPairsResponse pairs;
    TRUCE_RETURN_IF_ERROR(Call(&v1::OperatorService::Stub::ListPairs, v1::ListPairsRequest(), &pairs));
    for (const v1::PairStatus& pair : pairs.pairs()) {
      if (pair.score().victim() == victim && pair.score().score() > view.worst.score()) view.worst = pair.score();
    }
    v1::ListActionsResponse actions;
    TRUCE_RETURN_IF_ERROR(Call(&v1::OperatorService::Stub::ListActions, v1::ListActionsRequest(), &actions));
    view.actions.assign(actions.actions().begin(), actions.actions().end());
    v1::ListDecisionsResponse decisions;
    TRUCE_RETURN_IF_ERROR(Call(&v1::OperatorService::Stub::ListDecisions, v1::ListDecisionsRequest(), &decisions));
    view.decisions.assign(decisions.decisions().begin(), decisions.decisions().end());
    v1::ListReceiptsResponse receipts;
    TRUCE_RETURN_IF_ERROR(Call(&v1::OperatorService::Stub::ListReceipts, v1::ListReceiptsRequest(), &receipts));
    view.receipts.assign(receipts.receipts().begin(), receipts.receipts().end());
    return view;
  }

  absl::Status AddAllocations(const std::vector<v1::AllocationRule>& rules) override {
    v1::GetPolicyResponse current;
    TRUCE_RETURN_IF_ERROR(Call(&v1::OperatorService::Stub::GetPolicy, v1::GetPolicyRequest(), &current));
    v1::ApplyPolicyRequest request;
    *request.mutable_policy() = current.policy();
    for (const v1::AllocationRule& rule : rules) *request.mutable_policy()->add_allocations() = rule;
    v1::ApplyPolicyResponse response;
    return WithContext(Call(&v1::OperatorService::Stub::ApplyPolicy, request, &response), "applying the policy");
  }

  absl::StatusOr<std::vector<v1::Event>> Events(const std::string& workload,
                                                const std::vector<std::string>& kinds) override {
    v1::ListEventsRequest request;
    request.set_workload(workload);
    for (const std::string& kind : kinds) request.add_kinds(kind);
    request.set_limit(1000);
    v1::ListEventsResponse response;
    TRUCE_RETURN_IF_ERROR(Call(&v1::OperatorService::Stub::ListEvents, request, &response));
    return std::vector<v1::Event>(response.events().begin(), response.events().end());
  }

  absl::StatusOr<v1::WorkloadStatus> Workload(const std::string& name) override {
    v1::ListWorkloadsRequest request;
    request.set_workload(name);
    v1::ListWorkloadsResponse response;
    TRUCE_RETURN_IF_ERROR(Call(&v1::OperatorService::Stub::ListWorkloads, request, &response));
    if (response.workloads().empty()) return absl::NotFoundError(StrCat("the controller knows no workload ", name));
    return response.workloads(0);
  }

  int Stop() override {
    const int status = agent_ ? agent_->Stop(absl::Seconds(10)) : 0;
    agent_.reset();
    if (controller_) controller_->Stop(absl::Seconds(10));
    controller_.reset();
    return status;
  }

  bool Healthy(std::string* log) override {
    if (!controller_ || !controller_->Running()) {
      *log = directory_ + "/controller.log";
      return false;
    }
    if (!agent_ || !agent_->Running()) {
      *log = directory_ + "/agent.log";
      return false;
    }
    return true;
  }

  std::string Environment() const override {
    return StrCat("export TRUCE_SERVER=", address_, " TRUCE_CA=", Pki("ca.crt"),
                  " TRUCE_CERT=", Pki("operator-admin.crt"), " TRUCE_KEY=", Pki("operator-admin.key"));
  }

 private:
  std::string Pki(const std::string& file) const { return StrCat(directory_, "/pki/", file); }

  absl::Status MakeCertificates() {
    const std::string pki = directory_ + "/pki";
    TRUCE_RETURN_IF_ERROR(rpc::CreateAuthority(pki));
    TRUCE_RETURN_IF_ERROR(rpc::IssueCertificate(pki, {"controller", "quickstart", {"127.0.0.1", "localhost"}}));
    TRUCE_RETURN_IF_ERROR(rpc::IssueCertificate(pki, {"operator", "admin", {}}));
    return rpc::IssueCertificate(pki, {"agent", HostName(), {}});
  }

  absl::Status StartController() {
    const std::string config = directory_ + "/controller.yaml";
    TRUCE_RETURN_IF_ERROR(WriteFile(config, StrCat("listen: 127.0.0.1:0\n"
                                                   "http:\n  listen: 127.0.0.1:0\n"
                                                   "tls:\n"
                                                   "  ca_file: ",
                                                   Pki("ca.crt"),
                                                   "\n"
                                                   "  certificate_file: ",
                                                   Pki("controller-quickstart.crt"),
                                                   "\n"
                                                   "  key_file: ",
                                                   Pki("controller-quickstart.key"),
                                                   "\n"
                                                   "store:\n"
                                                   "  file: ",
                                                   directory_, "/truce.db\n")));
    const std::string address_file = directory_ + "/controller.address";
    ChildOptions options;
    options.arguments = {binaries_ + "/truce-controller", "--config", config, "--print-address-file", address_file};
    options.log_file = directory_ + "/controller.log";
    TRUCE_ASSIGN_OR_RETURN(controller_, ChildProcess::Start(options));
    const absl::Time deadline = absl::Now() + kStartLimit;
    while (absl::Now() < deadline && controller_->Running()) {
      const auto text = host::ReadFile(address_file);
      if (text.ok()) {
        for (absl::string_view line : absl::StrSplit(*text, '\n')) {
          if (absl::ConsumePrefix(&line, "grpc=")) address_ = std::string(line);
        }
        if (!address_.empty()) return absl::OkStatus();
      }
      absl::SleepFor(absl::Milliseconds(50));
    }
    const auto log = host::ReadFile(options.log_file);
    return absl::UnavailableError(
        StrCat("truce-controller did not start; its log says:\n", log.ok() ? *log : "(nothing)"));
  }

  absl::Status ConnectOperator() {
    const rpc::Security security{false, Pki("ca.crt"), Pki("operator-admin.crt"), Pki("operator-admin.key")};
    TRUCE_ASSIGN_OR_RETURN(const auto credentials, rpc::ClientCredentials(security, address_));
    stub_ = v1::OperatorService::NewStub(grpc::CreateChannel(address_, credentials));
    return absl::OkStatus();
  }

  absl::Status SetMode() {
    v1::SetModeRequest request;
    request.mutable_rule()->set_workload_class(v1::WORKLOAD_CLASS_BEST_EFFORT);
    request.mutable_rule()->set_mode(v1::MODE_ENFORCE);
    v1::SetModeResponse response;
    return WithContext(Call(&v1::OperatorService::Stub::SetMode, request, &response), "setting the mode");
  }

  absl::Status StartAgent() {
    const std::string config = directory_ + "/agent.yaml";
    TRUCE_RETURN_IF_ERROR(WriteFile(
        config,
        StrCat("paths:\n"
               "  cgroup: ",
               options_.cgroup_root,
               "\n"
               "state_directory: ",
               directory_,
               "/agent\n"
               "metrics:\n"
               "  listen: 127.0.0.1:0\n"
               "# What is measured in minutes cannot spend one of them on learning what is usual.\n"
               "fingerprint:\n"
               "  least_samples: 12\n"
               "score:\n"
               "  from: ",
               options_.scores,
               "\n"
               "discovery:\n"
               "  rules:\n",
               options_.victim.empty() ? "" : StrCat("    - match: ", options_.victim, "\n      class: critical\n"),
               "    - match: ", options_.aggressor,
               "\n"
               "      class: best_effort\n"
               "controller:\n"
               "  address: ",
               address_,
               "\n"
               "  ca_file: ",
               Pki("ca.crt"),
               "\n"
               "  certificate_file: ",
               Pki(StrCat("agent-", HostName(), ".crt")),
               "\n"
               "  key_file: ",
               Pki(StrCat("agent-", HostName(), ".key")), "\n")));
    ChildOptions options;
    options.arguments = {binaries_ + "/truce-agent", "--config", config};
    options.log_file = directory_ + "/agent.log";
    TRUCE_ASSIGN_OR_RETURN(agent_, ChildProcess::Start(options));
    return absl::OkStatus();
  }

  absl::Status WaitForAgent() {
    const absl::Time deadline = absl::Now() + kStartLimit;
    while (absl::Now() < deadline && agent_->Running()) {
      v1::ListHostsResponse hosts;
      TRUCE_RETURN_IF_ERROR(Call(&v1::OperatorService::Stub::ListHosts, v1::ListHostsRequest(), &hosts));
      if (hosts.hosts_size() > 0 && hosts.hosts(0).connected()) return absl::OkStatus();
      absl::SleepFor(absl::Milliseconds(100));
    }
    const auto log = host::ReadFile(directory_ + "/agent.log");
    return absl::UnavailableError(
        StrCat("truce-agent did not connect; its log says:\n", log.ok() ? *log : "(nothing)"));
  }

  template <typename Request, typename Response>
  absl::Status Call(grpc::Status (v1::OperatorService::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kCallLimit));
    context.set_wait_for_ready(true);
    return rpc::FromGrpc((stub_.get()->*method)(&context, request, response));
  }

  const SceneDaemonsOptions options_;
  const std::string directory_;
  const std::string binaries_;
  std::string address_;
  std::optional<ChildProcess> controller_;
  std::optional<ChildProcess> agent_;
  std::unique_ptr<v1::OperatorService::Stub> stub_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<SceneDaemons>> StartSceneDaemons(const SceneDaemonsOptions& options) {
  auto daemons = std::make_unique<RunningDaemons>(options);
  TRUCE_RETURN_IF_ERROR(daemons->Start());
  if (!options.needs_model) return daemons;
  TRUCE_ASSIGN_OR_RETURN(const SceneView view, daemons->Look(options.victim));
  for (const v1::MissingCapability& missing : view.host.inventory().missing()) {
    if (missing.name() == "model") return absl::FailedPreconditionError(AbslView(missing.reason()));
  }
  return daemons;
}

}  // namespace truce::lab
