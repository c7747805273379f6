#include "controller/plan/allocations.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>
#include <utility>

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
// Between two samples of an agent at most (sample.interval).
constexpr absl::Duration kLongestSample = absl::Seconds(10);

double HeadroomOf(const v1::AllocationRule& rule) {
  return rule.has_headroom_ratio() ? rule.headroom_ratio() : kHeadroom;
}

double FloorOf(const v1::Policy& policy) {
  return policy.floor_cores() > 0 ? policy.floor_cores() : kLeastCores;
}

// What is wrong with the rule by itself.
std::optional<std::string> ProblemOf(const v1::AllocationRule& rule, const v1::Policy& policy) {
  if (rule.workload().empty()) return "allocations: a rule names no workload or application";
  const auto about = [&](std::string_view problem) { return StrCat("allocations: ", rule.workload(), ": ", problem); };
  const double floor = FloorOf(policy);
  for (const auto& [name, given, cores] : {std::tuple("least_cores", rule.has_least_cores(), rule.least_cores()),
                                           std::tuple("most_cores", rule.has_most_cores(), rule.most_cores())}) {
    if (!given || (cores >= floor && cores <= kMostCores)) continue;
    return about(absl::StrFormat("%s: %g is not between floor_cores (%g) and %g", name, cores, floor, kMostCores));
  }
  if (rule.has_least_cores() && rule.has_most_cores() && rule.least_cores() > rule.most_cores()) {
    return about("least_cores is above most_cores");
  }
  const double headroom = HeadroomOf(rule);
  if (!std::isfinite(headroom) || headroom < 0 || headroom > kMostHeadroom) {
    return about(absl::StrFormat("headroom_ratio must be within 0 and %g", kMostHeadroom));
  }
  return std::nullopt;
}

// The most that it may use when no quota of ours is on it.
double OwnMost(const HostState& host, const v1::Readings& readings) {
  double most = std::max(1, host.inventory.cpus_size());
  if (readings.has_cpu_allowed_count()) most = std::min(most, std::max(readings.cpu_allowed_count(), 1.0));
  if (readings.has_cpu_quota_cores() && readings.cpu_quota_cores() > 0)
    most = std::min(most, readings.cpu_quota_cores());
  return most;
}

}  // namespace

std::vector<std::string> AllocationProblems(const v1::Policy& policy) {
  std::vector<std::string> problems;
  // Workload and host of the rules so far.
  std::set<std::pair<std::string, std::string>> named;
  for (const v1::AllocationRule& rule : policy.allocations()) {
    if (auto problem = ProblemOf(rule, policy)) problems.push_back(*std::move(problem));
    const auto never = [&](std::string_view why) {
      problems.push_back(StrCat("allocations: ", rule.workload(),
                                rule.host().empty() ? "" : StrCat(" on host ", rule.host()),
                                ": the rule never holds, because ", why));
    };
    if (!rule.host().empty() && named.contains({rule.workload(), ""})) {
      never("one for every host is before it; put that one last");
    } else if (!named.insert({rule.workload(), rule.host()}).second) {
      never("an earlier one is for the same; leave one of them out");
    }
  }
  return problems;
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
                             const v1::WorkloadReport& report, const v1::DemandFollowing* held) {
  v1::DemandFollowing bounds;
  double most = held != nullptr ? held->most_cores() : OwnMost(host, report.readings());
  if (rule.has_most_cores()) most = std::min(most, rule.most_cores());
  bounds.set_most_cores(most);
  bounds.set_least_cores(std::min(most, rule.has_least_cores() ? rule.least_cores() : FloorOf(policy)));
  bounds.set_headroom_ratio(HeadroomOf(rule));
  bounds.set_reactive(rule.reactive());
  return bounds;
}

absl::Duration QuotaSettles(const HostState& host, const v1::Policy& policy) {
  // Until its lease has run out at the latest, it was taken back with the next sample and read anew, and that was told.
  return ToDuration(policy.lease_time_to_live()) + kLongestSample + host.slow_interval + host.report_interval;
}

}  // namespace truce::controller
