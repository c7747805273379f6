// LEVER_CPU_WEIGHT: a workload's share of CPUs that several want, through cpu.weight or cpu.shares. See lever.h.
#include <algorithm>

#include "absl/strings/str_format.h"
#include "agent/act/lever.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/file.h"
#include "src/host/writer_cgroup.h"

namespace truce::agent {
namespace {

using host::Controller;

// sched_weight_from_cgroup and MIN_SHARES, MAX_SHARES in kernel/sched: 100 is 1024 shares.
int64_t ToShares(uint32_t weight) {
  constexpr int64_t kLeast = 2;
  constexpr int64_t kMost = 262'144;
  return std::clamp<int64_t>((int64_t{weight} * 1024 + 50) / 100, kLeast, kMost);
}

}  // namespace

absl::StatusOr<LeverPlan> PlanCpuWeight(const v1::LeasedAction& action, const std::string& path,
                                        const LeverContext& context) {
  LeverPlan plan;
  TRUCE_ASSIGN_OR_RETURN(host::Cgroup * cgroup, OpenFirst(path, context, &plan));
  const bool v1_tree = IsV1(Controller::kCpu, context);
  const host::ControlFile control{cgroup, Controller::kCpu, v1_tree ? "cpu.shares" : "cpu.weight"};
  TRUCE_ASSIGN_OR_RETURN(const std::string content, ReadNeeded(control, context));
  const std::string original = OriginalOf(control, content, context);
  const auto before = host::FirstNumber(original);
  if (!before) {
    return absl::FailedPreconditionError(
        StrCat("'", host::TrimControl(original), "' in ", control.Name(), " is no CPU weight"));
  }
  const int64_t wanted = v1_tree ? ToShares(action.cpu_weight()) : int64_t{action.cpu_weight()};
  const bool boost = action.workload() == action.victim();
  if (boost ? wanted < *before : wanted > *before) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s of %d is %s than the %d that %s has without Truce, and one that %s may only get %s", control.file, wanted,
        boost ? "less" : "more", *before, path, boost ? "is protected" : "gives way", boost ? "more" : "less"));
  }
  AddFile(control, content, StrCat(wanted), context, &plan);
  return plan;
}

}  // namespace truce::agent
