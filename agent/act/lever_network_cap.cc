// LEVER_NETWORK_CAP: bounds what a workload sends, through the agent's own programs on its cgroup. See lever.h.
#include "agent/act/lever.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/writer_host.h"

namespace truce::agent {

absl::StatusOr<LeverPlan> PlanNetworkCap(const v1::LeasedAction& action, const std::string& path,
                                         const LeverContext& context) {
  LeverPlan plan;
  TRUCE_ASSIGN_OR_RETURN(host::Cgroup * cgroup, OpenFirst(path, context, &plan));
  const host::ControlFile control{cgroup, host::Controller::kUnified, std::string(host::kNetworkCap)};
  TRUCE_ASSIGN_OR_RETURN(const std::optional<std::string> content, ReadIfThere(control, context));
  if (!content) {
    return absl::FailedPreconditionError(StrCat(
        "what ", path, " sends can't be bounded: its traffic is not counted here; `trucectl describe host` says ",
        "why, under network"));
  }
  AddFile(control, *content, StrCat(action.network_bytes_per_second()), context, &plan);
  return plan;
}

}  // namespace truce::agent
