// trucectl set mode observe|advise|enforce
#include "absl/strings/str_join.h"
#include "controller/cli/view.h"
#include "src/base/enum_words.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

// "workload redis.service on host web-17", "class best_effort", "the fleet".
std::string Scope(const v1::ModeRule& rule) {
  std::string scope;
  if (!rule.workload().empty()) StrAppend(&scope, "workload ", rule.workload());
  if (rule.workload_class() != v1::WORKLOAD_CLASS_UNSPECIFIED) {
    StrAppend(&scope, scope.empty() ? "" : " of ", "class ", EnumWord(rule.workload_class()));
  }
  if (!rule.host().empty()) StrAppend(&scope, scope.empty() ? "" : " on ", "host ", rule.host());
  return scope.empty() ? "the fleet" : scope;
}

}  // namespace

absl::Status SetMode(Session& session) {
  const Options& options = session.options();
  v1::SetModeRequest request;
  request.mutable_rule()->set_host(options.host);
  request.mutable_rule()->set_workload(options.workload);
  request.mutable_rule()->set_workload_class(EnumFromWord<v1::WorkloadClass>(options.workload_class));
  request.mutable_rule()->set_mode(EnumFromWord<v1::Mode>(options.mode));
  request.set_validate_only(options.dry_run);
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  TRUCE_ASSIGN_OR_RETURN(const v1::SetModeResponse response, controller->SetMode(request));
  const uint32_t count = response.affected_workload_count();
  TRUCE_RETURN_IF_ERROR(ShowChange(session, response,
                                   StrCat(Scope(request.rule()), ": mode ", options.mode, "; ", count,
                                          count == 1 ? " workload changes" : " workloads change")));
  if (response.capped_hosts_size() > 0) {
    session.console().err << "trucectl: not followed by " << absl::StrJoin(response.capped_hosts(), ", ")
                          << ": the mode ceiling in the agent's own configuration there is lower" << std::endl;
  }
  return absl::OkStatus();
}

}  // namespace truce::cli
