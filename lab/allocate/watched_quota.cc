#include "lab/allocate/watched_quota.h"

#include <algorithm>

#include "lab/cgroup_use.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/file.h"

namespace truce::lab {
namespace {

using host::Controller;

// "max 100000" or "50000 100000"; nullopt when it is not bound.
std::optional<double> CoresOf(std::string_view quota, std::string_view period) {
  const auto quota_us = host::FirstNumber(quota);
  const auto period_us = host::FirstNumber(period);
  if (!quota_us || *quota_us <= 0 || !period_us || *period_us <= 0) return std::nullopt;
  return static_cast<double>(*quota_us) / static_cast<double>(*period_us);
}

}  // namespace

absl::StatusOr<WatchedQuota> WatchedQuota::Open(const host::CgroupLayout& layout, const std::string& path) {
  TRUCE_ASSIGN_OR_RETURN(auto cgroup, host::Cgroup::Open(layout, path));
  if (!cgroup->has(Controller::kCpu)) {
    return absl::FailedPreconditionError("no cgroup tree has the cpu controller, so there are no CPU quotas");
  }
  return WatchedQuota(std::move(cgroup));
}

absl::Status WatchedQuota::Look(absl::Time now) {
  Seen seen{.at = now};
  const bool v2 = cgroup_->version(Controller::kCpu) == 2;
  if (v2) {
    TRUCE_ASSIGN_OR_RETURN(const std::string_view text, cgroup_->Read(Controller::kCpu, "cpu.max", buffer_));
    std::string_view rest = text;
    const std::string_view quota = host::NextWord(&rest);
    seen.cores = CoresOf(quota, host::NextWord(&rest));
  } else {
    TRUCE_ASSIGN_OR_RETURN(const std::string_view period,
                           cgroup_->Read(Controller::kCpu, "cpu.cfs_period_us", buffer_));
    const std::string period_text(period);
    TRUCE_ASSIGN_OR_RETURN(const std::string_view quota, cgroup_->Read(Controller::kCpu, "cpu.cfs_quota_us", buffer_));
    seen.cores = CoresOf(quota, period_text);
  }
  TRUCE_ASSIGN_OR_RETURN(const std::string_view stat, cgroup_->Read(Controller::kCpu, "cpu.stat", buffer_));
  // v1 counts nanoseconds, v2 microseconds.
  const auto throttled = host::FlatKeyed(stat, v2 ? "throttled_usec" : "throttled_time");
  if (throttled) seen.throttled = v2 ? absl::Microseconds(*throttled) : absl::Nanoseconds(*throttled);
  if (const auto used = CpuUsageUs(*cgroup_)) seen.used = absl::Microseconds(*used);
  seen_.push_back(seen);
  return absl::OkStatus();
}

const WatchedQuota::Seen& WatchedQuota::At(absl::Time time) const {
  const auto after = std::lower_bound(seen_.begin(), seen_.end(), time,
                                      [](const Seen& seen, absl::Time wanted) { return seen.at < wanted; });
  return after == seen_.end() ? seen_.back() : *after;
}

double WatchedQuota::Used(absl::Time begin, absl::Time end) const {
  if (seen_.empty() || end <= begin) return 0;
  return absl::FDivDuration(At(end).used - At(begin).used, end - begin);
}

BurstOutcome WatchedQuota::Of(absl::Time begin, absl::Time end, double need_cores) const {
  BurstOutcome outcome{.lead = begin - end, .throttled = absl::ZeroDuration()};
  if (seen_.empty()) return outcome;
  outcome.throttled = At(end).throttled - At(begin).throttled;
  // From when on it was enough without a break, and still was when the burst began, or first became so.
  std::optional<absl::Time> enough_since;
  for (const Seen& seen : seen_) {
    if (seen.at > end) break;
    if (seen.cores && *seen.cores < need_cores) {
      enough_since.reset();
    } else if (!enough_since) {
      enough_since = seen.at;
    }
    if (seen.at >= begin && enough_since) break;
  }
  if (enough_since) outcome.lead = begin - *enough_since;
  return outcome;
}

}  // namespace truce::lab
