// LEVER_CPU_QUOTA: bounds a workload's CPU time per period through cpu.max or cpu.cfs_quota_us. See lever.h.
#include <algorithm>
#include <cmath>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "agent/act/guard.h"
#include "agent/act/lever.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/file.h"
#include "src/host/writer_cgroup.h"
#include "src/host/writer_nested.h"

namespace truce::agent {
namespace {

using host::Controller;

// The kernel's smallest quota (min_cfs_quota_period in kernel/sched/core.c).
constexpr int64_t kSmallestQuotaUs = 1000;

// CPU bandwidth as both versions state it.
struct Bandwidth {
  // nullopt: not bound.
  std::optional<int64_t> quota_us;
  int64_t period_us = 100'000;

  std::optional<double> cores() const {
    if (!quota_us) return std::nullopt;
    return static_cast<double>(*quota_us) / static_cast<double>(period_us);
  }
};

absl::Status Unreadable(const host::ControlFile& control, std::string_view content) {
  return absl::FailedPreconditionError(StrCat("'", content, "' in ", control.Name(), " is no CPU bandwidth"));
}

// "max 100000" or "50000 100000".
absl::StatusOr<Bandwidth> ParseV2(const host::ControlFile& control, std::string_view content) {
  Bandwidth bandwidth;
  std::string_view rest = content;
  const std::string_view quota = host::NextWord(&rest);
  const std::string_view period = host::NextWord(&rest);
  int64_t quota_us = 0;
  if (!absl::SimpleAtoi(AbslView(period), &bandwidth.period_us) || bandwidth.period_us <= 0) {
    return Unreadable(control, content);
  }
  if (quota == "max") return bandwidth;
  if (!absl::SimpleAtoi(AbslView(quota), &quota_us) || quota_us <= 0) return Unreadable(control, content);
  bandwidth.quota_us = quota_us;
  return bandwidth;
}

// The content of cpu.cfs_quota_us, "-1" or "50000".
absl::StatusOr<Bandwidth> ParseV1(const host::ControlFile& control, std::string_view content, int64_t period_us) {
  const auto quota_us = host::FirstNumber(content);
  if (!quota_us || *quota_us == 0) return Unreadable(control, content);
  Bandwidth bandwidth{.quota_us = quota_us, .period_us = period_us};
  if (*quota_us < 0) bandwidth.quota_us = std::nullopt;
  return bandwidth;
}

absl::StatusOr<int64_t> PeriodV1(host::Cgroup* cgroup, const LeverContext& context) {
  const host::ControlFile control{cgroup, Controller::kCpu, "cpu.cfs_period_us"};
  TRUCE_ASSIGN_OR_RETURN(const std::string content, ReadNeeded(control, context));
  const auto period_us = host::FirstNumber(content);
  if (!period_us || *period_us <= 0) return Unreadable(control, content);
  return *period_us;
}

// What another cgroup of a v1 tree is bound to; nullopt when it is not, or is not there.
absl::StatusOr<std::optional<double>> CoresOfV1(const std::string& path, const LeverContext& context) {
  const std::optional<double> none;
  auto cgroup = host::Cgroup::Open(context.layout, path);
  if (absl::IsNotFound(cgroup.status())) return none;
  if (!cgroup.ok()) return cgroup.status();
  const host::ControlFile control{cgroup->get(), Controller::kCpu, "cpu.cfs_quota_us"};
  const auto content = context.writer.Read(control);
  if (absl::IsNotFound(content.status())) return none;
  if (!content.ok()) return content.status();
  TRUCE_ASSIGN_OR_RETURN(const int64_t period_us, PeriodV1(cgroup->get(), context));
  TRUCE_ASSIGN_OR_RETURN(const Bandwidth bandwidth, ParseV1(control, *content, period_us));
  return bandwidth.cores();
}

// v1 refuses a quota above the one of any cgroup above, and below the one of any cgroup nested in it; say so in words.
absl::Status CheckRelativesV1(double cores, const host::Cgroup& cgroup, const LeverContext& context) {
  for (auto path = ParentPath(cgroup.path()); path && !path->empty(); path = ParentPath(*path)) {
    TRUCE_ASSIGN_OR_RETURN(const std::optional<double> bound, CoresOfV1(*path, context));
    if (bound && *bound < cores) {
      return absl::InvalidArgumentError(
          absl::StrFormat("a quota of %g cores is more than the %g cores of %s above it, which a v1 kernel refuses",
                          cores, *bound, *path));
    }
  }
  TRUCE_ASSIGN_OR_RETURN(const std::vector<std::string> nested, host::NestedCgroups(cgroup, Controller::kCpu));
  for (const std::string& path : nested) {
    TRUCE_ASSIGN_OR_RETURN(const std::optional<double> bound, CoresOfV1(path, context));
    if (bound && *bound > cores) {
      return absl::InvalidArgumentError(
          absl::StrFormat("a quota of %g cores is less than the %g cores of %s nested in it, which a v1 kernel "
                          "refuses; lower that first",
                          cores, *bound, path));
    }
  }
  return absl::OkStatus();
}

// Plans the burst beside a quota that is planned already. The kernel wants a burst of at most the quota, so one that
// shrinks goes first, and one that grows goes last; it is recorded before the quota, and so restored after it.
absl::Status AddBurst(const v1::LeasedAction& action, const Bandwidth& before, int64_t quota_us, bool v1_tree,
                      const LeverContext& context, LeverPlan* plan) {
  const host::ControlFile control{plan->cgroups[0].get(), Controller::kCpu,
                                  v1_tree ? "cpu.cfs_burst_us" : "cpu.max.burst"};
  TRUCE_ASSIGN_OR_RETURN(const std::optional<std::string> content, ReadIfThere(control, context));
  const int64_t wanted_us = std::llround(action.quota_burst_cores() * static_cast<double>(before.period_us));
  if (!content) {
    if (wanted_us == 0) return absl::OkStatus();
    return absl::FailedPreconditionError(
        StrCat("there is no ", control.Name(), "; Linux has it from 5.14 on; ask for a quota without a burst"));
  }
  const std::string original = OriginalOf(control, *content, context);
  const auto original_us = host::FirstNumber(original);
  const auto current_us = host::FirstNumber(*content);
  if (!original_us || !current_us) {
    return absl::FailedPreconditionError(
        StrCat("'", host::TrimControl(*content), "' in ", control.Name(), " is no burst"));
  }
  if (wanted_us == 0 && *original_us == 0) return absl::OkStatus();
  // Quota and burst together never allow more than without Truce.
  const int64_t room_us = before.quota_us ? *before.quota_us + *original_us - quota_us : quota_us;
  const int64_t burst_us = std::min({wanted_us == 0 ? *original_us : wanted_us, quota_us, room_us});
  LeverPlan burst;
  AddFile(control, *content, StrCat(burst_us), context, &burst);
  plan->files.insert(plan->files.begin(), burst.files[0]);
  const auto at = burst_us < *current_us ? plan->writes.begin() : plan->writes.end();
  plan->writes.insert(at, burst.writes.begin(), burst.writes.end());
  return absl::OkStatus();
}

// In whole hundredths of a core, since systemd keeps the quotas of its units so; rounded up, and never above what there
// was.
int64_t QuotaUs(double cores, const Bandwidth& before) {
  constexpr double kRounding = 1e-6;
  const double hundredths = std::ceil(100 * cores - kRounding);
  const int64_t quota_us = std::llround(hundredths / 100 * static_cast<double>(before.period_us));
  return before.quota_us ? std::min(quota_us, *before.quota_us) : quota_us;
}

}  // namespace

absl::StatusOr<LeverPlan> PlanCpuQuota(const v1::LeasedAction& action, const std::string& path,
                                       const LeverContext& context) {
  LeverPlan plan;
  TRUCE_ASSIGN_OR_RETURN(host::Cgroup * cgroup, OpenFirst(path, context, &plan));
  const bool v1_tree = IsV1(Controller::kCpu, context);
  const host::ControlFile control{cgroup, Controller::kCpu, v1_tree ? "cpu.cfs_quota_us" : "cpu.max"};
  TRUCE_ASSIGN_OR_RETURN(const std::string content, ReadNeeded(control, context));
  const std::string original = OriginalOf(control, content, context);

  Bandwidth before;
  if (v1_tree) {
    TRUCE_ASSIGN_OR_RETURN(const int64_t period_us, PeriodV1(cgroup, context));
    TRUCE_ASSIGN_OR_RETURN(before, ParseV1(control, original, period_us));
  } else {
    TRUCE_ASSIGN_OR_RETURN(before, ParseV2(control, original));
  }
  TRUCE_RETURN_IF_ERROR(CheckQuota(action.quota_cores(), before.cores()));
  if (v1_tree) TRUCE_RETURN_IF_ERROR(CheckRelativesV1(action.quota_cores(), *cgroup, context));
  const int64_t quota_us = QuotaUs(action.quota_cores(), before);
  if (quota_us < kSmallestQuotaUs) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%g cores of a period of %d us are %d us, and the kernel's smallest quota is %d us; lengthen the period of %s",
        action.quota_cores(), before.period_us, quota_us, kSmallestQuotaUs, path));
  }
  AddFile(control, content, v1_tree ? StrCat(quota_us) : StrCat(quota_us, " ", before.period_us), context, &plan);
  TRUCE_RETURN_IF_ERROR(AddBurst(action, before, quota_us, v1_tree, context, &plan));
  return plan;
}

}  // namespace truce::agent
