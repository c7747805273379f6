#include "controller/plan/allocations.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"
#include "controller/fleet/words.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

constexpr double kHeadroom = 0.2;
// The same bounds as the agent's guard.
constexpr double kMostHeadroom = 10;
constexpr double kMostCores = 8192;
// Where neither rule nor policy names a floor.
constexpr double kLeastCores = 0.1;

bool IsCores(double cores) {
  return std::isfinite(cores) && cores > 0 && cores <= kMostCores;
}

double HeadroomOf(const v1::AllocationRule& rule) {
  return rule.has_headroom_ratio() ? rule.headroom_ratio() : kHeadroom;
}

}  // namespace

std::optional<std::string> ProblemOf(const v1::AllocationRule& rule) {
  if (rule.workload().empty()) return "allocations: a rule names no workload or application";
  const auto about = [&](std::string_view problem) { return StrCat("allocations: ", rule.workload(), ": ", problem); };
  if (rule.has_least_cores() && !IsCores(rule.least_cores())) return about("least_cores must be above 0");
  if (rule.has_most_cores() && !IsCores(rule.most_cores())) return about("most_cores must be above 0");
  if (rule.has_least_cores() && rule.has_most_cores() && rule.least_cores() > rule.most_cores()) {
    return about("least_cores is above most_cores");
  }
  const double headroom = HeadroomOf(rule);
  if (!std::isfinite(headroom) || headroom < 0 || headroom > kMostHeadroom) {
    return about(absl::StrFormat("headroom_ratio must be within 0 and %g", kMostHeadroom));
  }
  return std::nullopt;
}

std::string DescribeAllocation(const v1::AllocationRule& rule) {
  std::string text = rule.workload();
  if (!rule.host().empty()) StrAppend(&text, " on host ", rule.host());
  StrAppend(&text, ": ", rule.has_least_cores() ? absl::StrFormat("%g", rule.least_cores()) : "the floor", " to ",
            rule.has_most_cores() ? absl::StrFormat("%g cores", rule.most_cores()) : "all that it may use",
            absl::StrFormat(", %.0f %% headroom", 100 * HeadroomOf(rule)));
  if (rule.reactive()) StrAppend(&text, ", without foresight");
  return text;
}

const v1::AllocationRule* AllocationRuleOf(const v1::Policy& policy, const HostState& host,
                                           const v1::Workload& workload) {
  for (const v1::AllocationRule& rule : policy.allocations()) {
    if (!rule.host().empty() && rule.host() != host.name) continue;
    if (NamesWorkload(workload, rule.workload())) return &rule;
  }
  return nullptr;
}

v1::DemandFollowing BoundsOf(const v1::AllocationRule& rule, const v1::Policy& policy, const HostState& host,
                             const v1::WorkloadReport& report) {
  v1::DemandFollowing bounds;
  const v1::Readings& readings = report.readings();
  double most = std::max(1, host.inventory.cpus_size());
  if (readings.has_cpu_allowed_count()) most = std::min(most, std::max(readings.cpu_allowed_count(), 1.0));
  if (readings.has_cpu_quota_cores() && readings.cpu_quota_cores() > 0)
    most = std::min(most, readings.cpu_quota_cores());
  if (rule.has_most_cores()) most = std::min(most, rule.most_cores());
  const double floor = policy.floor_cores() > 0 ? policy.floor_cores() : kLeastCores;
  bounds.set_most_cores(most);
  bounds.set_least_cores(std::min(most, rule.has_least_cores() ? rule.least_cores() : floor));
  bounds.set_headroom_ratio(HeadroomOf(rule));
  bounds.set_reactive(rule.reactive());
  return bounds;
}

}  // namespace truce::controller
