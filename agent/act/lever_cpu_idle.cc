// LEVER_CPU_IDLE: a workload runs only on CPUs that nobody else wants, through cpu.idle. See lever.h.
#include "agent/act/lever.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::agent {

using host::Controller;

absl::StatusOr<LeverPlan> PlanCpuIdle(const v1::LeasedAction& action, const std::string& path,
                                      const LeverContext& context) {
  LeverPlan plan;
  TRUCE_ASSIGN_OR_RETURN(host::Cgroup * cgroup, OpenFirst(path, context, &plan));
  const bool v1_tree = IsV1(Controller::kCpu, context);
  const host::ControlFile weight{cgroup, Controller::kCpu, v1_tree ? "cpu.shares" : "cpu.weight"};
  const host::ControlFile idle{cgroup, Controller::kCpu, "cpu.idle"};
  TRUCE_ASSIGN_OR_RETURN(const std::string weight_content, ReadNeeded(weight, context));
  TRUCE_ASSIGN_OR_RETURN(const std::optional<std::string> idle_content, ReadIfThere(idle, context));
  if (!idle_content) {
    return absl::FailedPreconditionError(
        StrCat("there is no ", idle.Name(), "; Linux has it from 5.15 on; use cpu_weight instead"));
  }
  if (action.workload() == action.victim()) {
    return absl::InvalidArgumentError(StrCat("cpu_idle on ", path, " would not protect it"));
  }
  // Recorded first, so restored last: the kernel refuses a weight while the cgroup is idle.
  const std::string original = OriginalOf(weight, weight_content, context);
  plan.files.push_back({weight, original, original, /*follows=*/true});
  AddFile(idle, *idle_content, "1", context, &plan);
  for (PlannedWrite& write : plan.writes) write.also_changes.push_back(weight);
  return plan;
}

}  // namespace truce::agent
