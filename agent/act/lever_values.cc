#include "agent/act/lever_values.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/str_format.h"
#include "agent/act/lever.h"
#include "google/protobuf/util/message_differencer.h"
#include "src/base/enum_words.h"
#include "src/base/text.h"
#include "src/host/file.h"
#include "src/host/writer_cgroup.h"

namespace truce::agent {
namespace {

constexpr size_t kLongestCpuList = 4096;
constexpr int kCpuDigits = 4;
// More cores than Linux can run; a larger quota is a mistake in a unit.
constexpr double kMostCores = 8192;
constexpr uint32_t kMostWeight = 10'000;
// More than any host has.
constexpr uint64_t kMostBytes = uint64_t{1} << 50;
constexpr int kMostDevices = 64;
// A quota that has so many times the demand to spare bounds nothing.
constexpr double kMostHeadroom = 10;

// The length is checked before the list is expanded: a few kilobytes of "0-65535" would be gigabytes.
std::optional<std::string> BadCpuList(const std::string& text) {
  int digits = 0;
  for (const char character : text) {
    digits = character >= '0' && character <= '9' ? digits + 1 : 0;
    if (digits > kCpuDigits) return "cpus names a CPU beyond 9999";
  }
  if (text.size() > kLongestCpuList) return StrCat("cpus is longer than ", kLongestCpuList, " characters");
  const auto cpus = host::ParseCpuList(text);
  if (!cpus.ok()) return std::string(StdView(cpus.status().message()));
  if (cpus->empty()) return "a pin must leave the workload at least one CPU";
  return std::nullopt;
}

std::optional<std::string> BadQuota(const v1::LeasedAction& action, const LeverFloors& floors) {
  const double cores = action.quota_cores();
  if (!std::isfinite(cores) || cores <= 0 || cores > kMostCores) {
    return absl::StrFormat("a quota of %g cores makes no sense", cores);
  }
  if (cores < floors.cores) {
    return absl::StrFormat("a quota of %g cores is below the floor of %g cores (guard.floor_cores)", cores,
                           floors.cores);
  }
  if (action.has_follow()) {
    const v1::DemandFollowing& follow = action.follow();
    const double least = follow.least_cores();
    if (!std::isfinite(follow.most_cores()) || follow.most_cores() > cores) {
      return absl::StrFormat("a quota that follows up to %g cores and begins with %g makes no sense",
                             follow.most_cores(), cores);
    }
    if (!std::isfinite(least) || least < floors.cores || least <= 0 || least > follow.most_cores()) {
      return absl::StrFormat(
          "a quota that follows between %g and %g cores is not within the floor of %g cores (guard.floor_cores)", least,
          follow.most_cores(), floors.cores);
    }
    if (!std::isfinite(follow.headroom_ratio()) || follow.headroom_ratio() < 0 ||
        follow.headroom_ratio() > kMostHeadroom) {
      return absl::StrFormat("a headroom of %g times the demand makes no sense", follow.headroom_ratio());
    }
  }
  const double burst = action.quota_burst_cores();
  if (!std::isfinite(burst) || burst < 0 || burst > kMostCores) {
    return absl::StrFormat("a burst of %g cores makes no sense", burst);
  }
  return std::nullopt;
}

std::optional<std::string> BadSqueeze(const v1::LeasedAction& action, const LeverFloors& floors) {
  if (action.memory_high_bytes() > kMostBytes) {
    return StrCat("a squeeze to ", action.memory_high_bytes(), " bytes makes no sense");
  }
  if (static_cast<double>(action.memory_high_bytes()) < floors.memory_bytes) {
    return absl::StrFormat("a squeeze to %d bytes is below the floor of %.0f (guard.floor_memory_bytes)",
                           action.memory_high_bytes(), floors.memory_bytes);
  }
  return std::nullopt;
}

// "8:0": digits, a colon, digits.
bool IsDevice(const std::string& text) {
  constexpr size_t kLongest = 16;
  const size_t colon = text.find(':');
  if (colon == 0 || colon == std::string::npos || colon + 1 == text.size() || text.size() > kLongest) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char character) { return character == ':' || (character >= '0' && character <= '9'); }) &&
         text.find(':', colon + 1) == std::string::npos;
}

std::optional<std::string> BadNetworkCap(const v1::LeasedAction& action, const LeverFloors& floors) {
  // A terabyte a second; the kernel's side counts in 64 bits.
  constexpr uint64_t kMostNetworkBytes = uint64_t{1} << 40;
  const uint64_t bytes = action.network_bytes_per_second();
  if (bytes > kMostNetworkBytes) return StrCat("a cap of ", bytes, " bytes sent a second makes no sense");
  if (static_cast<double>(bytes) >= floors.network_bytes_per_second) return std::nullopt;
  return absl::StrFormat(
      "a cap of %d bytes sent a second is below the floor of %.0f (guard.floor_network_bytes_per_second)", bytes,
      floors.network_bytes_per_second);
}

// A share that is bounded, 0 being none.
std::optional<std::string> BadShare(double ratio, const char* what, double floor, const char* key) {
  if (!std::isfinite(ratio) || ratio < 0 || ratio > 1)
    return absl::StrFormat("%g of the %s makes no sense", ratio, what);
  if (ratio == 0 || ratio >= floor) return std::nullopt;
  return absl::StrFormat("%g of the %s is below the floor of %g (guard.%s)", ratio, what, floor, key);
}

std::optional<std::string> BadCacheClass(const v1::LeasedAction& action, const LeverFloors& floors) {
  const uint64_t bytes = action.memory_bandwidth_bytes_per_second();
  if (action.cache_ratio() == 0 && action.memory_bandwidth_ratio() == 0 && bytes == 0) {
    return "a cache class must bound the cache or the memory bandwidth";
  }
  if (action.memory_bandwidth_ratio() != 0 && bytes != 0) {
    return "a cache class bounds memory bandwidth by a share or in bytes a second, and not both";
  }
  if (auto bad = BadShare(action.cache_ratio(), "cache", floors.cache_ratio, "floor_cache_ratio")) return bad;
  if (auto bad = BadShare(action.memory_bandwidth_ratio(), "memory bandwidth", floors.memory_bandwidth_ratio,
                          "floor_memory_bandwidth_ratio")) {
    return bad;
  }
  if (bytes > kMostBytes) return StrCat("a memory bandwidth of ", bytes, " bytes a second makes no sense");
  if (bytes == 0 || static_cast<double>(bytes) >= floors.memory_bandwidth_bytes_per_second) return std::nullopt;
  return absl::StrFormat(
      "a memory bandwidth of %d bytes a second is below the floor of %.0f "
      "(guard.floor_memory_bandwidth_bytes_per_second)",
      bytes, floors.memory_bandwidth_bytes_per_second);
}

std::string DescribeCacheClass(const v1::LeasedAction& action) {
  std::string bounds;
  const auto add = [&bounds](const std::string& bound) { StrAppend(&bounds, bounds.empty() ? "" : " and ", bound); };
  if (action.cache_ratio() > 0) add(absl::StrFormat("%g %% of the cache", 100 * action.cache_ratio()));
  if (action.memory_bandwidth_ratio() > 0) {
    add(absl::StrFormat("%g %% of the memory bandwidth", 100 * action.memory_bandwidth_ratio()));
  }
  if (action.memory_bandwidth_bytes_per_second() > 0) {
    add(StrCat(action.memory_bandwidth_bytes_per_second(), " bytes of memory a second"));
  }
  return bounds;
}

struct NamedBound {
  std::optional<uint64_t> value;
  const char* what;
  bool bytes;
};

std::vector<NamedBound> BoundsOf(const v1::DiskCap& cap) {
  const auto if_set = [](bool set, uint64_t value) { return set ? std::optional<uint64_t>(value) : std::nullopt; };
  return {{if_set(cap.has_read_bytes_per_second(), cap.read_bytes_per_second()), "bytes read", true},
          {if_set(cap.has_write_bytes_per_second(), cap.write_bytes_per_second()), "bytes written", true},
          {if_set(cap.has_read_operations_per_second(), cap.read_operations_per_second()), "reads", false},
          {if_set(cap.has_write_operations_per_second(), cap.write_operations_per_second()), "writes", false}};
}

std::optional<std::string> BadDiskCaps(const v1::LeasedAction& action, const LeverFloors& floors) {
  if (action.disk_caps().empty()) return "a disk cap must name a device";
  if (action.disk_caps_size() > kMostDevices) return StrCat("a disk cap of more than ", kMostDevices, " devices");
  std::set<std::string> devices;
  for (const v1::DiskCap& cap : action.disk_caps()) {
    if (!IsDevice(cap.device())) return StrCat("'", cap.device(), "' is no block device such as 8:0");
    if (!devices.insert(cap.device()).second) return StrCat("device ", cap.device(), " is capped twice");
    bool any = false;
    for (const NamedBound& bound : BoundsOf(cap)) {
      if (!bound.value) continue;
      any = true;
      const double floor = bound.bytes ? floors.disk_bytes_per_second : floors.disk_operations_per_second;
      const std::string what = StrCat("a cap of ", *bound.value, " ", bound.what, " a second on ", cap.device());
      if (*bound.value > kMostBytes) return what + " makes no sense";
      if (static_cast<double>(*bound.value) >= floor) continue;
      return absl::StrFormat("%s is below the floor of %.0f (guard.floor_disk_%s_per_second)", what, floor,
                             bound.bytes ? "bytes" : "operations");
    }
    if (!any) return StrCat("the cap of device ", cap.device(), " bounds nothing");
  }
  return std::nullopt;
}

std::string DescribeCap(const v1::DiskCap& cap) {
  std::string text = StrCat(cap.device(), " to");
  const char* separator = " ";
  for (const NamedBound& bound : BoundsOf(cap)) {
    if (!bound.value) continue;
    StrAppend(&text, separator, *bound.value, " ", bound.what);
    separator = ", ";
  }
  return text + " a second";
}

}  // namespace

std::string LeverName(v1::Lever lever) {
  return v1::Lever_IsValid(lever) ? EnumWord(lever) : StrCat("lever ", static_cast<int>(lever));
}

bool KnowsLever(v1::Lever lever) {
  return v1::Lever_IsValid(lever) && lever != v1::LEVER_UNSPECIFIED;
}

std::optional<std::string> BadLeverValue(const v1::LeasedAction& action, const LeverFloors& floors) {
  switch (action.lever()) {
    case v1::LEVER_CPU_PIN:
      return BadCpuList(action.cpus());
    case v1::LEVER_CPU_QUOTA:
      return BadQuota(action, floors);
    case v1::LEVER_CPU_WEIGHT:
      if (action.cpu_weight() >= 1 && action.cpu_weight() <= kMostWeight) return std::nullopt;
      return StrCat("a CPU weight of ", action.cpu_weight(), " is not between 1 and ", kMostWeight);
    case v1::LEVER_MEMORY_SQUEEZE:
      return BadSqueeze(action, floors);
    case v1::LEVER_DISK_CAP:
      return BadDiskCaps(action, floors);
    case v1::LEVER_NETWORK_CAP:
      return BadNetworkCap(action, floors);
    case v1::LEVER_CACHE_CLASS:
      return BadCacheClass(action, floors);
    default:
      return std::nullopt;
  }
}

bool SameLeverValue(const v1::LeasedAction& a, const v1::LeasedAction& b) {
  switch (a.lever()) {
    case v1::LEVER_CPU_PIN:
      return host::SameControlValue("cpuset.cpus", a.cpus(), b.cpus());
    case v1::LEVER_CPU_QUOTA:
      return a.quota_cores() == b.quota_cores() && a.quota_burst_cores() == b.quota_burst_cores() &&
             a.has_follow() == b.has_follow() &&
             google::protobuf::util::MessageDifferencer::Equals(a.follow(), b.follow());
    case v1::LEVER_CPU_WEIGHT:
      return a.cpu_weight() == b.cpu_weight();
    case v1::LEVER_MEMORY_SQUEEZE:
      return a.memory_high_bytes() == b.memory_high_bytes();
    case v1::LEVER_NETWORK_CAP:
      return a.network_bytes_per_second() == b.network_bytes_per_second();
    case v1::LEVER_CACHE_CLASS:
      return a.cache_ratio() == b.cache_ratio() && a.memory_bandwidth_ratio() == b.memory_bandwidth_ratio() &&
             a.memory_bandwidth_bytes_per_second() == b.memory_bandwidth_bytes_per_second();
    case v1::LEVER_DISK_CAP:
      return std::equal(a.disk_caps().begin(), a.disk_caps().end(), b.disk_caps().begin(), b.disk_caps().end(),
                        [](const v1::DiskCap& one, const v1::DiskCap& other) {
                          return google::protobuf::util::MessageDifferencer::Equals(one, other);
                        });
    default:
      return true;
  }
}

std::string Describe(const v1::LeasedAction& action) {
  const std::string name = LeverName(action.lever());
  switch (action.lever()) {
    case v1::LEVER_CPU_PIN:
      return StrCat(name, " to CPUs ", action.cpus());
    case v1::LEVER_CPU_QUOTA:
      if (action.has_follow()) {
        return absl::StrFormat("%s between %g and %g cores, as %s", name, action.follow().least_cores(),
                               action.follow().most_cores(),
                               action.follow().reactive() ? "it was needed" : "it is needed and foretold");
      }
      if (action.quota_burst_cores() <= 0) return absl::StrFormat("%s of %g cores", name, action.quota_cores());
      return absl::StrFormat("%s of %g cores with bursts of %g", name, action.quota_cores(),
                             action.quota_burst_cores());
    case v1::LEVER_CPU_WEIGHT:
      return StrCat(name, " of ", action.cpu_weight());
    case v1::LEVER_MEMORY_SQUEEZE:
      return StrCat(name, " to ", action.memory_high_bytes(), " bytes");
    case v1::LEVER_NETWORK_CAP:
      return StrCat(name, " of ", action.network_bytes_per_second(), " bytes a second");
    case v1::LEVER_CACHE_CLASS:
      return StrCat(name, " of ", DescribeCacheClass(action));
    case v1::LEVER_DISK_CAP: {
      std::string caps;
      for (const v1::DiskCap& cap : action.disk_caps()) StrAppend(&caps, caps.empty() ? "" : "; ", DescribeCap(cap));
      return StrCat(name, " of ", caps);
    }
    default:
      return name;
  }
}

}  // namespace truce::agent
