#include "agent/act/lever.h"

#include "agent/act/guard.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/writer_cgroup.h"

namespace truce::agent {
namespace {

// Why a tree that the host has does not serve this cgroup, and what to do.
absl::Status NoController(const host::ControlFile& control, const LeverContext& context) {
  const std::string_view name = host::ControllerName(control.controller);
  const std::string& path = control.cgroup->path();
  const auto hierarchy = context.layout.hierarchy_of(control.controller);
  if (!hierarchy) {
    return absl::FailedPreconditionError(
        StrCat("no ", name, " controller on this host; mount it, or boot without cgroup_disable=", name));
  }
  if (context.layout.hierarchies()[*hierarchy].version == 1) {
    return absl::FailedPreconditionError(
        StrCat("no ", name, " controller on ", path, ": the v1 ", name,
               " tree has no such cgroup; let the runtime that made it make it there"));
  }
  return absl::FailedPreconditionError(StrCat("no ", name, " controller on ", path, ": there is no ", control.file,
                                              "; write +", name, " to cgroup.subtree_control of its parents, or with ",
                                              "systemd set Delegate= or a property of that controller"));
}

}  // namespace

absl::StatusOr<LeverPlan> PlanLever(const v1::LeasedAction& action, const std::string& path,
                                    const LeverContext& context) {
  switch (action.lever()) {
    case v1::LEVER_CPU_PIN:
      return PlanCpuPin(action, path, context);
    case v1::LEVER_CPU_QUOTA:
      return PlanCpuQuota(action, path, context);
    case v1::LEVER_CPU_WEIGHT:
      return PlanCpuWeight(action, path, context);
    case v1::LEVER_CPU_IDLE:
      return PlanCpuIdle(action, path, context);
    case v1::LEVER_MEMORY_SQUEEZE:
      return PlanMemorySqueeze(action, path, context);
    case v1::LEVER_DISK_CAP:
      return PlanDiskCap(action, path, context);
    case v1::LEVER_NETWORK_CAP:
      return PlanNetworkCap(action, path, context);
    case v1::LEVER_CACHE_CLASS:
      return PlanCacheClass(action, path, context);
    default:
      return absl::UnimplementedError(StrCat(LeverName(action.lever()), " is not a lever that this agent knows"));
  }
}

std::string InFormOf(std::string_view like, std::string value) {
  const std::string_view end = like.substr(host::TrimControl(like).size());
  return like.empty() ? value + "\n" : StrCat(value, end);
}

absl::StatusOr<std::string> ReadNeeded(const host::ControlFile& control, const LeverContext& context) {
  auto content = context.writer.Read(control);
  if (!absl::IsNotFound(content.status())) return content;
  if (!control.cgroup->StillThere()) {
    return absl::NotFoundError(StrCat(control.cgroup->path(), " went away"));
  }
  return NoController(control, context);
}

absl::StatusOr<std::optional<std::string>> ReadIfThere(const host::ControlFile& control, const LeverContext& context) {
  auto content = context.writer.Read(control);
  if (content.ok()) return std::optional<std::string>(*std::move(content));
  if (!absl::IsNotFound(content.status())) return content.status();
  if (!control.cgroup->StillThere()) return absl::NotFoundError(StrCat(control.cgroup->path(), " went away"));
  return std::optional<std::string>();
}

bool IsV1(host::Controller controller, const LeverContext& context) {
  const auto hierarchy = context.layout.hierarchy_of(controller);
  return hierarchy && context.layout.hierarchies()[*hierarchy].version == 1;
}

absl::StatusOr<host::Cgroup*> OpenFirst(const std::string& path, const LeverContext& context, LeverPlan* plan) {
  TRUCE_ASSIGN_OR_RETURN(auto cgroup, host::Cgroup::Open(context.layout, path));
  plan->cgroups.push_back(std::move(cgroup));
  return plan->cgroups.back().get();
}

void AddFile(const host::ControlFile& control, const std::string& content, const std::string& value,
             const LeverContext& context, LeverPlan* plan) {
  const std::string original = OriginalOf(control, content, context);
  plan->files.push_back({control, original, InFormOf(original, value)});
  if (!host::SameControlValue(control.file, content, value))
    plan->writes.push_back({control, plan->files.back().wanted});
}

std::string OriginalOf(const host::ControlFile& control, const std::string& current, const LeverContext& context) {
  const JournalEntry* entry = context.journal.Find(control.controller, control.cgroup->path(), control.file);
  if (entry == nullptr) return current;
  return entry->inode == host::ControlInode(control) || context.writer.Outlives(control) ? entry->original : current;
}

std::optional<std::string> ParentPath(std::string_view path) {
  if (path.empty()) return std::nullopt;
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string() : std::string(path.substr(0, slash));
}

}  // namespace truce::agent
