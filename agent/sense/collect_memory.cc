// Memory usage, working set, limit and faults.
#include "agent/sense/collectors.h"

namespace truce::agent {

using host::Controller;
using host::FirstNumber;
using host::FlatKeyed;

void CollectMemory(Workload& workload, const CollectContext& context, Sample& sample) {
  host::Cgroup& cgroup = *workload.cgroup;
  const bool v2 = cgroup.version(Controller::kMemory) == 2;
  // A v1 limit of this size or more is the kernel's way to say "none".
  constexpr int64_t kUnlimited = int64_t{1} << 60;

  std::optional<int64_t> usage;
  if (auto text =
          cgroup.ReadRarely(Controller::kMemory, v2 ? "memory.current" : "memory.usage_in_bytes", context.buffer);
      text.ok()) {
    usage = FirstNumber(*text);
  }
  if (usage) sample.set(Reading::kMemoryUsageBytes, static_cast<double>(*usage));
  if (auto text = cgroup.ReadRarely(Controller::kMemory, v2 ? "memory.max" : "memory.limit_in_bytes", context.buffer);
      text.ok()) {
    const auto limit = FirstNumber(*text);
    if (limit && *limit < kUnlimited) sample.set(Reading::kMemoryLimitBytes, static_cast<double>(*limit));
  }
  if (auto text = cgroup.ReadRarely(Controller::kMemory, "memory.stat", context.buffer); text.ok()) {
    const auto inactive = FlatKeyed(*text, v2 ? "inactive_file" : "total_inactive_file");
    if (usage && inactive) {
      sample.set(Reading::kMemoryWorkingSetBytes,
                 std::max(0.0, static_cast<double>(*usage) - static_cast<double>(*inactive)));
    }
    if (auto faults = FlatKeyed(*text, v2 ? "pgfault" : "total_pgfault")) {
      sample.set(Reading::kPageFaultsPerSecond, workload.totals.page_faults.Update(*faults, context.now));
    }
    if (auto faults = FlatKeyed(*text, v2 ? "pgmajfault" : "total_pgmajfault")) {
      sample.set(Reading::kMajorFaultsPerSecond, workload.totals.major_faults.Update(*faults, context.now));
    }
  }
}

}  // namespace truce::agent
