#include "controller/plan/cache_class.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

// Shares that new actions begin with.
constexpr double kBestEffortShare = 0.5;
constexpr double kStandardShare = 0.75;
// Floors of the agent as shipped; an agent with others refuses, and says so.
constexpr double kFloorShare = 0.1;
constexpr double kFloorBytesPerSecond = 1e9;
// More than any cache brings in; what an agent reported beyond is nonsense.
constexpr double kMostBytesPerSecond = 1e13;
constexpr double kGigabyte = 1e9;

double FirstShare(const v1::WorkloadReport& giver) {
  return giver.workload().workload_class() == v1::WORKLOAD_CLASS_BEST_EFFORT ? kBestEffortShare : kStandardShare;
}

// Whole ways, as the agent rounds.
double Ways(double share, uint32_t ways) {
  constexpr double kSlack = 1e-9;
  return std::ceil(share * ways - kSlack);
}

// The smallest share of the cache that may be asked for.
double LeastCacheShare(const v1::CacheControl& host) {
  if (host.cache_ways() == 0) return 1;
  return std::clamp(static_cast<double>(host.least_cache_ways()) / host.cache_ways(), kFloorShare, 1.0);
}

}  // namespace

std::optional<std::string> BeginCacheClass(const v1::CacheControl& host, const v1::WorkloadReport& giver,
                                           v1::Resource resource, const v1::Policy& policy, v1::LeasedAction* action) {
  if (resource == v1::RESOURCE_LLC) {
    if (host.cache_ways() == 0) return "can't bound the cache on this host, only memory bandwidth";
    const double share = std::max(FirstShare(giver), LeastCacheShare(host));
    if (Ways(share, host.cache_ways()) >= host.cache_ways()) {
      return "can't bound the cache: this host gives whole caches only";
    }
    action->set_cache_ratio(share);
    return std::nullopt;
  }
  switch (host.bandwidth_unit()) {
    case v1::BANDWIDTH_UNIT_PERCENT:
      action->set_memory_bandwidth_ratio(std::max(FirstShare(giver), host.least_bandwidth_ratio()));
      return std::nullopt;
    case v1::BANDWIDTH_UNIT_ABSOLUTE: {
      const v1::Readings& readings = giver.readings();
      if (!readings.has_dram_fill_bytes_per_second()) {
        return "needs the memory bandwidth that it uses, which is not known without hardware counters";
      }
      const double bound = readings.dram_fill_bytes_per_second() * policy.quota_cut_ratio();
      if (!(bound >= kFloorBytesPerSecond && bound <= kMostBytesPerSecond)) {
        return absl::StrFormat("can't go below the floor of %.1f GB a second (it fills %.1f)",
                               kFloorBytesPerSecond / kGigabyte, readings.dram_fill_bytes_per_second() / kGigabyte);
      }
      action->set_memory_bandwidth_bytes_per_second(static_cast<uint64_t>(bound));
      return std::nullopt;
    }
    default:
      return "can't bound memory bandwidth on this host, only the cache";
  }
}

bool CutCacheClass(const v1::CacheControl& host, const v1::WorkloadReport& giver, v1::Resource resource,
                   const v1::Policy& policy, v1::LeasedAction* action) {
  const auto less = [&](double value, double floor) { return std::max(floor, value * policy.quota_cut_ratio()); };
  const double most = 1 - policy.deadband_ratio();
  if (resource == v1::RESOURCE_LLC) {
    const double share = action->cache_ratio();
    if (share == 0) return !BeginCacheClass(host, giver, resource, policy, action).has_value();
    const double next = less(share, LeastCacheShare(host));
    if (next > most * share || Ways(next, host.cache_ways()) >= Ways(share, host.cache_ways())) return false;
    action->set_cache_ratio(next);
    return true;
  }
  if (const double share = action->memory_bandwidth_ratio(); share > 0) {
    const double next = less(share, std::max(kFloorShare, host.least_bandwidth_ratio()));
    if (next > most * share) return false;
    action->set_memory_bandwidth_ratio(next);
    return true;
  }
  if (const auto bytes = static_cast<double>(action->memory_bandwidth_bytes_per_second()); bytes > 0) {
    const double next = less(bytes, kFloorBytesPerSecond);
    if (next > most * bytes) return false;
    action->set_memory_bandwidth_bytes_per_second(static_cast<uint64_t>(next));
    return true;
  }
  return !BeginCacheClass(host, giver, resource, policy, action).has_value();
}

std::string CacheClassWords(const v1::LeasedAction& action) {
  std::string words;
  const auto add = [&words](const std::string& bound) { StrAppend(&words, words.empty() ? "" : " and ", bound); };
  if (action.cache_ratio() > 0) add(absl::StrFormat("%.0f %% of the cache", 100 * action.cache_ratio()));
  if (action.memory_bandwidth_ratio() > 0) {
    add(absl::StrFormat("%.0f %% of the memory bandwidth", 100 * action.memory_bandwidth_ratio()));
  }
  if (action.memory_bandwidth_bytes_per_second() > 0) {
    add(absl::StrFormat("%.1f GB of memory a second",
                        static_cast<double>(action.memory_bandwidth_bytes_per_second()) / kGigabyte));
  }
  return words;
}

}  // namespace truce::controller
