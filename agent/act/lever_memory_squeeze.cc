// LEVER_MEMORY_SQUEEZE: bounds what a workload may use before the kernel takes memory back, through memory.high or the
// soft limit; of a virtual machine, what its guest may have, through its balloon. See lever.h; squeeze.h says in which
// steps.
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "absl/strings/numbers.h"
#include "agent/act/lever.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/writer_cgroup.h"
#include "src/host/writer_host.h"

namespace truce::agent {
namespace {

using host::Controller;

// nullopt: not bound ("max"; on v1 a number beyond any memory).
absl::StatusOr<std::optional<uint64_t>> ParseBound(const host::ControlFile& control, std::string_view content) {
  constexpr uint64_t kBeyondAnyMemory = uint64_t{1} << 60;
  const std::string_view text = host::TrimControl(content);
  if (text == "max") return std::optional<uint64_t>();
  uint64_t bytes = 0;
  if (!absl::SimpleAtoi(AbslView(text), &bytes)) {
    return absl::FailedPreconditionError(StrCat("'", text, "' in ", control.Name(), " is no bound on memory"));
  }
  return bytes >= kBeyondAnyMemory ? std::optional<uint64_t>() : bytes;
}

// In whole pages: kernel and hypervisor count in those, and would read back another number.
uint64_t WholePages(uint64_t bytes) {
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return bytes / page * page;
}

host::ControlFile BoundOf(host::Cgroup* cgroup, const LeverContext& context) {
  const bool v1_tree = IsV1(Controller::kMemory, context);
  return {cgroup, Controller::kMemory, v1_tree ? "memory.soft_limit_in_bytes" : "memory.high"};
}

bool IsHeld(const host::ControlFile& control, const LeverContext& context) {
  const JournalEntry* entry = context.journal.Find(control.controller, control.cgroup->path(), control.file);
  return entry != nullptr && entry->inode == host::ControlInode(control);
}

// Fills the plan for a virtual machine; false when none runs in the cgroup.
absl::StatusOr<bool> PlanBalloon(const v1::LeasedAction& action, host::Cgroup* cgroup, const LeverContext& context,
                                 LeverPlan* plan) {
  const host::ControlFile control = host::BalloonControl(cgroup, host::kBalloon);
  const auto content = context.writer.Read(control);
  if (absl::IsNotFound(content.status())) {
    // What is squeezed by a balloon is not squeezed by other means when its machine can't be seen.
    if (IsHeld(control, context)) return absl::NotFoundError(StrCat("the machine in ", cgroup->path(), " is gone"));
    return false;
  }
  if (IsHeld(BoundOf(cgroup, context), context)) {
    return absl::NotFoundError(
        StrCat("a virtual machine was started in ", cgroup->path(), ", and is squeezed by its balloon only"));
  }
  if (!content.ok()) return content.status();
  uint64_t before = 0;
  if (!absl::SimpleAtoi(AbslView(host::TrimControl(OriginalOf(control, *content, context))), &before)) {
    return absl::InternalError(StrCat("'", host::TrimControl(*content), "' is no size of a balloon"));
  }
  AddFile(control, *content, StrCat(WholePages(std::min(action.memory_high_bytes(), before))), context, plan);
  return true;
}

}  // namespace

absl::StatusOr<LeverPlan> PlanMemorySqueeze(const v1::LeasedAction& action, const std::string& path,
                                            const LeverContext& context) {
  LeverPlan plan;
  TRUCE_ASSIGN_OR_RETURN(host::Cgroup * cgroup, OpenFirst(path, context, &plan));
  TRUCE_ASSIGN_OR_RETURN(const bool is_machine, PlanBalloon(action, cgroup, context, &plan));
  if (is_machine) return plan;
  const host::ControlFile control = BoundOf(cgroup, context);
  TRUCE_ASSIGN_OR_RETURN(const std::string content, ReadNeeded(control, context));
  TRUCE_ASSIGN_OR_RETURN(const std::optional<uint64_t> before,
                         ParseBound(control, OriginalOf(control, content, context)));
  const uint64_t wanted = std::min(action.memory_high_bytes(), before.value_or(action.memory_high_bytes()));
  AddFile(control, content, StrCat(WholePages(wanted)), context, &plan);
  return plan;
}

}  // namespace truce::agent
