// What bounds mean on this host: from shares to masks of ways and steps of bandwidth. See resctrl.h.
#include <algorithm>
#include <bit>
#include <cmath>

#include "absl/strings/str_format.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/resctrl.h"
#include "src/host/writer_cgroup.h"

namespace truce::host {
namespace {

constexpr double kWholePercent = 100;
// A share that was meant to be a whole step must not become one more.
constexpr double kSlack = 1e-9;

}  // namespace

absl::StatusOr<std::string> Resctrl::ClassFor(const CacheBounds& bounds) const {
  TRUCE_ASSIGN_OR_RETURN(const Facts facts, ReadFacts());
  // All that the class may have: with it a workload has no more than without.
  const absl::StatusOr<Schemata> root_or = SchemataOf("");
  // Not NotFound: that would be the workload.
  if (absl::IsNotFound(root_or.status())) {
    return absl::FailedPreconditionError(StrCat("resctrl is no longer mounted at ", base_));
  }
  TRUCE_RETURN_IF_ERROR(root_or.status());
  const Schemata& root = *root_or;
  for (const std::string& group : Groups()) {
    if (group.starts_with(kGroupPrefix)) continue;
    const auto cpus = ReadFile(PathOf(group, "cpus_list"));
    if (!cpus.ok() || TrimControl(*cpus).empty()) continue;
    return absl::FailedPreconditionError(
        StrCat("the group ", group, " of resctrl has the CPUs ", TrimControl(*cpus),
               ", so what a thread may use depends on where it runs; somebody else manages classes here, and Truce "
               "leaves them alone"));
  }
  Schemata schemata = root;
  if (bounds.cache_ratio > 0) TRUCE_RETURN_IF_ERROR(BoundCaches(bounds.cache_ratio, facts, &schemata));
  TRUCE_RETURN_IF_ERROR(BoundBandwidth(bounds, facts, &schemata));
  if (schemata != root) return FormatClass(schemata);
  return absl::InvalidArgumentError(
      StrCat("this would bound nothing: whoever is in no class has ", FormatClass(root), " here"));
}

absl::Status Resctrl::BoundCaches(double ratio, const Facts& facts, Schemata* schemata) const {
  if (facts.caches.empty()) {
    return absl::FailedPreconditionError(
        "this host can't bound its last-level caches (no CAT): resctrl has no info/L3/cbm_mask");
  }
  // What is locked or exclusive for code is so for data.
  std::map<int, uint64_t> taken;
  for (const auto& [resource, _] : facts.caches) {
    const auto usage = ReadInfo(resource + "/bit_usage");
    if (!usage.ok()) continue;  // Linux has it from 4.19 on, as it has exclusive groups
    for (const auto& [domain, ways] : TakenWays(*usage)) taken[domain] |= ways;
  }
  for (auto& [resource, masks] : *schemata) {
    const auto found = facts.caches.find(resource);
    if (found == facts.caches.end()) continue;
    const Facts::Cache& cache = found->second;
    const int ways = WaysFor(ratio, std::popcount(cache.ways), cache.least);
    for (auto& [domain, mask] : masks) {
      if (std::popcount(mask) <= ways) continue;  // has no more as it is
      const uint64_t usable = mask & ~taken[domain];
      const std::optional<uint64_t> chosen = ChooseWays(usable, cache.shared, ways);
      if (!chosen) {
        return absl::FailedPreconditionError(absl::StrFormat(
            "cache %d has no %d ways in a row that are free to use: the default class has %x of %x, and groups of "
            "others hold %x alone",
            domain, ways, mask, cache.ways, taken[domain]));
      }
      mask = *chosen;
    }
  }
  return absl::OkStatus();
}

absl::Status Resctrl::BoundBandwidth(const CacheBounds& bounds, const Facts& facts, Schemata* schemata) const {
  uint64_t wanted = 0;
  if (bounds.bandwidth_ratio > 0) {
    if (control_.bandwidth_unit() != v1::BANDWIDTH_UNIT_PERCENT || !facts.bounds_bandwidth) {
      return absl::FailedPreconditionError(
          facts.bounds_bandwidth ? "this host bounds memory bandwidth in bytes per second and not by a share"
                                 : "this host can't bound memory bandwidth: resctrl has no info/MB");
    }
    wanted = static_cast<uint64_t>(std::ceil(bounds.bandwidth_ratio * kWholePercent - kSlack));
  } else if (bounds.bandwidth_bytes_per_second > 0) {
    if (control_.bandwidth_unit() != v1::BANDWIDTH_UNIT_ABSOLUTE || !facts.bounds_bandwidth) {
      return absl::FailedPreconditionError(
          facts.bounds_bandwidth ? "this host bounds memory bandwidth by a share and not in bytes per second"
                                 : "this host can't bound memory bandwidth: resctrl has no info/MB");
    }
    wanted = RoundUp(bounds.bandwidth_bytes_per_second, unit_bytes_, 1) / unit_bytes_;
  } else {
    return absl::OkStatus();
  }
  // The kernel rounds the same way; what is read back must be what was written.
  wanted = RoundUp(std::max<uint64_t>(wanted, 1), facts.bandwidth_step, facts.least_bandwidth);
  const auto line = schemata->find(std::string(kBandwidthResource));
  if (line == schemata->end()) return absl::OkStatus();
  for (auto& [domain, bandwidth] : line->second) bandwidth = std::min(bandwidth, wanted);
  return absl::OkStatus();
}

}  // namespace truce::host
