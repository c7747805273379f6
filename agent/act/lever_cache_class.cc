// LEVER_CACHE_CLASS: bounds the part of the last-level caches that a workload may fill, and its memory bandwidth, by
// the class of its threads. See lever.h.
#include "agent/act/lever.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/writer_cgroup.h"
#include "src/host/writer_host.h"

namespace truce::agent {

absl::StatusOr<LeverPlan> PlanCacheClass(const v1::LeasedAction& action, const std::string& path,
                                         const LeverContext& context) {
  LeverPlan plan;
  TRUCE_ASSIGN_OR_RETURN(host::Cgroup * cgroup, OpenFirst(path, context, &plan));
  if (context.resctrl == nullptr) {
    return absl::FailedPreconditionError(StrCat("what ", path,
                                                " fills of the caches and its memory bandwidth can't be bounded here; ",
                                                "`trucectl describe host` says why, under resctrl"));
  }
  if (action.workload() == action.victim()) {
    return absl::InvalidArgumentError(StrCat("a cache class on ", path, " would not protect it"));
  }
  TRUCE_ASSIGN_OR_RETURN(const host::CacheMembership membership, context.resctrl->Look(*cgroup));
  if (!membership.foreign.empty()) {
    return absl::FailedPreconditionError(
        StrCat("threads of ", path, " are in the group ", membership.foreign,
               " of resctrl: somebody else manages them, and Truce leaves them alone"));
  }
  TRUCE_ASSIGN_OR_RETURN(const std::string wanted,
                         context.resctrl->ClassFor({action.cache_ratio(), action.memory_bandwidth_ratio(),
                                                    action.memory_bandwidth_bytes_per_second()}));
  const host::ControlFile control{cgroup, host::ThreadTree(*cgroup), std::string(host::kCacheClass)};
  plan.files.push_back({control, StrCat(host::kDefaultClass, "\n"), wanted + "\n"});
  if (host::SameControlValue(control.file, membership.content, wanted)) return plan;
  plan.writes.push_back({control, plan.files.back().wanted});
  plan.only_newcomers = membership.only_newcomers;
  return plan;
}

}  // namespace truce::agent
