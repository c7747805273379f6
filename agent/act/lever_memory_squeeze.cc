// LEVER_MEMORY_SQUEEZE: bounds what a workload may use before the kernel takes memory back, through memory.high or the
// soft limit. See lever.h; squeeze.h says in which steps.
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "absl/strings/numbers.h"
#include "agent/act/lever.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/writer_cgroup.h"

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

}  // namespace

absl::StatusOr<LeverPlan> PlanMemorySqueeze(const v1::LeasedAction& action, const std::string& path,
                                            const LeverContext& context) {
  LeverPlan plan;
  TRUCE_ASSIGN_OR_RETURN(host::Cgroup * cgroup, OpenFirst(path, context, &plan));
  const bool v1_tree = IsV1(Controller::kMemory, context);
  const host::ControlFile control{cgroup, Controller::kMemory, v1_tree ? "memory.soft_limit_in_bytes" : "memory.high"};
  TRUCE_ASSIGN_OR_RETURN(const std::string content, ReadNeeded(control, context));
  TRUCE_ASSIGN_OR_RETURN(const std::optional<uint64_t> before,
                         ParseBound(control, OriginalOf(control, content, context)));
  // The kernel counts in pages, and would read back another number.
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t wanted = std::min(action.memory_high_bytes(), before.value_or(action.memory_high_bytes()));
  AddFile(control, content, StrCat(wanted / page * page), context, &plan);
  return plan;
}

}  // namespace truce::agent
