// What the host's resctrl can do, or why there is none: the beginning of a Resctrl. See resctrl.h.
#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <utility>

#include "absl/strings/numbers.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/file.h"
#include "src/host/resctrl.h"
#include "src/host/writer_cgroup.h"

namespace truce::host {
namespace {

// How memory bandwidth is counted.
enum class Vendor : uint8_t { kUnknown, kIntel, kAmd, kArm };

// One unit of AMD's is 1/8 GB/s (AMD64 Technology Platform Quality of Service Extensions, publication 56375, and
// Documentation/filesystems/resctrl.rst). Neither says whether a GB is 10^9 or 2^30 bytes; by the smaller one a bound
// is never harder than what was asked for.
constexpr uint64_t kAmdUnitBytes = 1'000'000'000 / 8;
// With the mount option mba_MBps the kernel keeps to MiB per second by itself.
constexpr uint64_t kMebibyte = 1 << 20;
constexpr uint64_t kWholePercent = 100;

bool Exists(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0;
}

// What follows the first "key : " of cpuinfo.
std::string_view CpuinfoValue(std::string_view cpuinfo, std::string_view key) {
  std::string_view value;
  ForEachLine(cpuinfo, [&](std::string_view line) {
    const size_t colon = line.find(':');
    if (!value.empty() || !line.starts_with(key) || colon == std::string_view::npos) return;
    value = line.substr(std::min(colon + 2, line.size()));
  });
  return value;
}

Vendor VendorOf(std::string_view cpuinfo) {
  const std::string_view vendor = CpuinfoValue(cpuinfo, "vendor_id");
  if (vendor == "GenuineIntel") return Vendor::kIntel;
  if (vendor == "AuthenticAMD" || vendor == "HygonGenuine") return Vendor::kAmd;
  return CpuinfoValue(cpuinfo, "CPU implementer").empty() ? Vendor::kUnknown : Vendor::kArm;
}

bool HasFlag(std::string_view flags, std::initializer_list<std::string_view> wanted) {
  for (std::string_view flag = NextWord(&flags); !flag.empty(); flag = NextWord(&flags)) {
    if (std::find(wanted.begin(), wanted.end(), flag) != wanted.end()) return true;
  }
  return false;
}

// The kernel makes the directory where it finds something to control or to count.
absl::Status NoDirectory(const std::string& base, std::string_view cpuinfo) {
  const std::string_view flags = CpuinfoValue(cpuinfo, "flags");
  if (HasFlag(flags, {"cat_l3", "mba", "rdt_a"})) {
    return absl::FailedPreconditionError(
        StrCat("the CPU has classes of cache or memory bandwidth, and the kernel has no ", base,
               "; use one with CONFIG_X86_CPU_RESCTRL, and don't switch them off by rdt= on its command line"));
  }
  if (HasFlag(flags, {"hypervisor"})) {
    return absl::FailedPreconditionError(
        StrCat("there is no ", base,
               ": this is a virtual machine, and its hypervisor passes no classes of cache or memory bandwidth on; use "
               "them on the host below"));
  }
  return absl::FailedPreconditionError(
      StrCat("there is no ", base,
             ": this CPU or this kernel has no classes of cache or memory bandwidth (Intel RDT, AMD QoS, Arm MPAM)"));
}

bool MountedInMebibytes(const std::string& procfs) {
  bool found = false;
  const auto mounts = ReadFile(procfs + "/mounts");
  if (!mounts.ok()) return false;
  ForEachLine(*mounts, [&](std::string_view line) {
    NextWord(&line);
    NextWord(&line);
    found = found || (NextWord(&line) == "resctrl" && NextWord(&line).find("mba_MBps") != std::string_view::npos);
  });
  return found;
}

absl::Status NoNumber(const std::string& file, std::string_view text) {
  return absl::FailedPreconditionError(
      StrCat("resctrl's ", file, " says '", TrimControl(text), "', which is no number"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Resctrl>> Resctrl::Open(const ResctrlOptions& options) {
  std::unique_ptr<Resctrl> resctrl(new Resctrl(options));
  TRUCE_RETURN_IF_ERROR(resctrl->Check());
  return resctrl;
}

absl::Status Resctrl::Check() {
  const std::string cpuinfo = ReadFile(options_.procfs + "/cpuinfo").value_or("");
  if (!Exists(base_)) return NoDirectory(base_, cpuinfo);
  if (!Exists(base_ + "/info")) {
    return absl::FailedPreconditionError(
        StrCat("resctrl is not mounted; mount -t resctrl resctrl ", base_, ", and start the agent again"));
  }
  // First of all: also where nothing new may be done, nothing old must stay.
  TRUCE_RETURN_IF_ERROR(RemoveLeftovers());
  if (VendorOf(cpuinfo) == Vendor::kUnknown) {
    return absl::FailedPreconditionError(
        "how this CPU counts in resctrl is not known to Truce: /proc/cpuinfo names neither Intel nor AMD nor Arm");
  }
  TRUCE_ASSIGN_OR_RETURN(const Facts facts, ReadFacts());
  TRUCE_ASSIGN_OR_RETURN(const Schemata root, SchemataOf(""));
  if (facts.caches.empty() && !facts.bounds_bandwidth) {
    return absl::FailedPreconditionError(
        "resctrl bounds neither last-level caches (L3) nor memory bandwidth (MB) on this CPU, so there are no classes");
  }
  if (options_.user != 0) {
    return absl::FailedPreconditionError(
        "the kernel lets only root put threads of others into a class, whatever capabilities the agent has; run it as "
        "root (User=root in a drop-in of its unit)");
  }
  control_.set_available(true);
  control_.set_classes(facts.classes);
  if (!facts.caches.empty()) {
    const Facts::Cache& cache = facts.caches.begin()->second;
    control_.set_cache_ways(static_cast<uint32_t>(std::popcount(cache.ways)));
    control_.set_least_cache_ways(static_cast<uint32_t>(cache.least));
  }
  if (!facts.bounds_bandwidth) return absl::OkStatus();
  control_.set_bandwidth_unit(FindUnit(root));
  if (control_.bandwidth_unit() == v1::BANDWIDTH_UNIT_PERCENT) {
    control_.set_least_bandwidth_ratio(static_cast<double>(facts.least_bandwidth) / kWholePercent);
  } else {
    unit_bytes_ = VendorOf(cpuinfo) == Vendor::kAmd ? kAmdUnitBytes : kMebibyte;
  }
  return absl::OkStatus();
}

absl::Status Resctrl::RemoveLeftovers() {
  for (const std::string& group : Groups()) {
    if (!group.starts_with(kGroupPrefix)) continue;
    const int error = options_.files->RemoveGroup(PathOf(group, ""));
    if (error == 0 || error == ENOENT) continue;
    return WithContext(ErrnoStatus(error, StrCat("removing ", PathOf(group, ""))),
                       "an earlier run left a class; rmdir it as root");
  }
  return absl::OkStatus();
}

// No file says it.
v1::BandwidthUnit Resctrl::FindUnit(const Schemata& root) const {
  const std::string cpuinfo = ReadFile(options_.procfs + "/cpuinfo").value_or("");
  if (VendorOf(cpuinfo) == Vendor::kAmd || MountedInMebibytes(options_.procfs)) return v1::BANDWIDTH_UNIT_ABSOLUTE;
  const auto line = root.find(std::string(kBandwidthResource));
  const bool beyond_percents = line != root.end() && std::any_of(line->second.begin(), line->second.end(),
                                                                 [](auto one) { return one.second > kWholePercent; });
  return beyond_percents ? v1::BANDWIDTH_UNIT_ABSOLUTE : v1::BANDWIDTH_UNIT_PERCENT;
}

absl::StatusOr<std::string> Resctrl::ReadInfo(const std::string& file) const {
  return ReadFile(StrCat(base_, "/info/", file));
}

absl::StatusOr<Resctrl::Facts> Resctrl::ReadFacts() const {
  Facts facts;
  const auto read = [&](std::string_view resource, const char* name, bool hex, uint64_t* value) {
    const std::string file = StrCat("info/", resource, "/", name);
    TRUCE_ASSIGN_OR_RETURN(const std::string text, ReadInfo(StrCat(resource, "/", name)));
    const absl::string_view number = AbslView(TrimControl(text));
    const bool good = hex ? absl::SimpleHexAtoi(number, value) : absl::SimpleAtoi(number, value);
    return good ? absl::OkStatus() : NoNumber(file, text);
  };
  const auto count_classes = [&](std::string_view resource) {
    uint64_t classes = 0;
    TRUCE_RETURN_IF_ERROR(read(resource, "num_closids", false, &classes));
    const auto number = static_cast<uint32_t>(classes);
    facts.classes = facts.classes == 0 ? number : std::min(facts.classes, number);
    return absl::OkStatus();
  };
  for (const std::string_view resource : kCacheResources) {
    if (!Exists(StrCat(base_, "/info/", resource, "/cbm_mask"))) continue;  // the CPU can only count there
    Facts::Cache cache;
    uint64_t least = 1;
    TRUCE_RETURN_IF_ERROR(read(resource, "cbm_mask", true, &cache.ways));
    TRUCE_RETURN_IF_ERROR(read(resource, "min_cbm_bits", false, &least));
    TRUCE_RETURN_IF_ERROR(read(resource, "shareable_bits", true, &cache.shared));
    TRUCE_RETURN_IF_ERROR(count_classes(resource));
    cache.least = static_cast<int>(std::clamp<uint64_t>(least, 1, 64));
    facts.caches.emplace(resource, cache);
  }
  if (!Exists(StrCat(base_, "/info/", kBandwidthResource))) return facts;
  facts.bounds_bandwidth = true;
  TRUCE_RETURN_IF_ERROR(read(kBandwidthResource, "min_bandwidth", false, &facts.least_bandwidth));
  TRUCE_RETURN_IF_ERROR(read(kBandwidthResource, "bandwidth_gran", false, &facts.bandwidth_step));
  TRUCE_RETURN_IF_ERROR(count_classes(kBandwidthResource));
  return facts;
}

absl::StatusOr<Schemata> Resctrl::SchemataOf(const std::string& group) const {
  const std::string path = PathOf(group, "schemata");
  TRUCE_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  auto schemata = ParseSchemata(text);
  return schemata.ok() ? schemata : WithContext(schemata.status(), path);
}

std::string Resctrl::PathOf(const std::string& group, std::string_view file) const {
  return StrCat(base_, group.empty() ? "" : "/", group, file.empty() ? "" : "/", file);
}

}  // namespace truce::host
