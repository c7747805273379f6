#include "src/host/unit_control.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <array>
#include <limits>

#include "absl/strings/numbers.h"
#include "src/base/text.h"
#include "src/host/file.h"
#include "src/host/writer_cgroup.h"

namespace truce::host {
namespace {

// systemd's infinity, and its word for a weight that nobody set.
constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();
constexpr uint64_t kDefaultPeriodUs = 100'000;
constexpr int64_t kDefaultWeight = 100;
constexpr int64_t kDefaultShares = 1024;
constexpr uint64_t kSecondUs = 1'000'000;

using Properties = std::vector<UnitProperty>;

struct UnsetFile {
  std::string_view file;
  const char* content;
};
// The files that systemd writes, in the cgroup2 tree and in v1 ones. Not io.max: systemd keeps limits by the names of
// device nodes, several for one device, and puts them on the disk below a partition or a mapping.
constexpr std::array<UnsetFile, 5> kUnified = {{{"cpu.max", "max 100000\n"},
                                                {"cpu.weight", "100\n"},
                                                {"cpu.idle", "0\n"},
                                                {"cpuset.cpus", "\n"},
                                                {"memory.high", "max\n"}}};
constexpr std::array<std::string_view, 2> kVersion1 = {"cpu.cfs_quota_us", "cpu.shares"};

// "max" is no limit.
std::optional<uint64_t> Limit(std::string_view word) {
  uint64_t number = 0;
  if (word == "max") return kNoLimit;
  if (!absl::SimpleAtoi(AbslView(word), &number)) return std::nullopt;
  return number;
}

// `quota_us` of each `period_us`.
Properties Quota(uint64_t quota_us, uint64_t period_us) {
  Properties properties;
  // Left out while it is what systemd has by itself, so that nothing of it stays behind.
  if (period_us != kDefaultPeriodUs) properties.push_back({"CPUQuotaPeriodUSec", period_us});
  // systemd rounds down on the way back.
  const uint64_t per_second = (quota_us * kSecondUs + period_us - 1) / period_us;
  properties.push_back({"CPUQuotaPerSecUSec", quota_us != kNoLimit ? per_second : kNoLimit});
  return properties;
}

std::optional<Properties> CpuMax(std::string_view value) {
  const auto quota_us = Limit(NextWord(&value));
  const auto period_us = Limit(NextWord(&value));
  // So far below the largest number that a product with a second in it still fits.
  constexpr uint64_t kMost = uint64_t{1} << 40;
  const bool sound = quota_us && (*quota_us == kNoLimit || *quota_us < kMost) && period_us && *period_us > 0;
  return sound ? std::optional(Quota(*quota_us, *period_us)) : std::nullopt;
}

std::optional<Properties> CfsQuota(std::string_view value, std::string_view period) {
  const auto quota_us = FirstNumber(value);
  const auto period_us = FirstNumber(period);
  if (!quota_us || !period_us || *period_us <= 0) return std::nullopt;
  return Quota(*quota_us < 0 ? kNoLimit : static_cast<uint64_t>(*quota_us), static_cast<uint64_t>(*period_us));
}

// A weight that is the kernel's own is no weight: systemd would switch the cpu controller on for it.
std::optional<Properties> Weight(const char* property, std::string_view value, int64_t usual) {
  const auto number = FirstNumber(value);
  if (!number || *number <= 0) return std::nullopt;
  return Properties{{property, *number == usual ? kNoLimit : static_cast<uint64_t>(*number)}};
}

// One bit per CPU, the lowest first.
std::optional<Properties> AllowedCpus(std::string_view value) {
  const auto cpus = ParseCpuList(TrimControl(value));
  if (!cpus.ok()) return std::nullopt;
  std::vector<uint8_t> mask;
  for (const int cpu : *cpus) {
    const auto byte = static_cast<size_t>(cpu) / 8;
    if (mask.size() <= byte) mask.resize(byte + 1);
    mask[byte] = static_cast<uint8_t>(mask[byte] | (1U << (static_cast<unsigned>(cpu) % 8)));
  }
  return Properties{{"AllowedCPUs", mask}};
}

std::optional<Properties> Translate(std::string_view file, std::string_view value, std::string_view period) {
  if (file == "cpu.max") return CpuMax(value);
  if (file == "cpu.weight") return Weight("CPUWeight", value, kDefaultWeight);
  if (file == "cpuset.cpus") return AllowedCpus(value);
  if (file == "cpu.cfs_quota_us") return CfsQuota(value, period);
  if (file == "cpu.shares") return Weight("CPUShares", value, kDefaultShares);
  if (file == "cpu.idle") return Properties{{"CPUWeight", TrimControl(value) == "1" ? uint64_t{0} : kNoLimit}};
  if (file != "memory.high") return std::nullopt;
  const auto limit = Limit(TrimControl(value));
  return limit ? std::optional(Properties{{"MemoryHigh", *limit}}) : std::nullopt;
}

bool IsUnitName(std::string_view name) {
  return name.ends_with(".service") || name.ends_with(".scope") || name.ends_with(".slice");
}

std::string_view LastPart(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace

std::optional<std::string> UnitOf(std::string_view cgroup_path) {
  std::string_view name = LastPart(cgroup_path);
  if (!IsUnitName(name)) return std::nullopt;
  for (std::string_view above = cgroup_path; above.find('/') != std::string_view::npos;) {
    above = above.substr(0, above.rfind('/'));
    if (!above.ends_with(".slice")) return std::nullopt;
  }
  // What would otherwise be taken for a file of the kernel's has an underscore before it.
  if (name.starts_with('_')) name.remove_prefix(1);
  return std::string(name);
}

bool SystemdRuns(const std::string& run_directory) {
  struct stat status {};
  return stat((run_directory + "/systemd/system").c_str(), &status) == 0;
}

bool SystemdOwns(const Cgroup& cgroup, const std::string& run_directory) {
  if (!IsUnitName(LastPart(cgroup.path())) || !SystemdRuns(run_directory)) return false;
  for (const Controller controller : {Controller::kUnified, Controller::kCpu}) {
    const int directory = cgroup.directory_fd(controller);
    if (directory < 0) continue;
    for (const char* mark : {"user.delegate", "trusted.delegate"}) {
      char value = '0';
      if (fgetxattr(directory, mark, &value, 1) == 1 && value == '1') return false;
    }
  }
  return true;
}

bool SystemdWrites(std::string_view file, int version) {
  if (version == 1) return std::find(kVersion1.begin(), kVersion1.end(), file) != kVersion1.end();
  return std::any_of(kUnified.begin(), kUnified.end(), [&](const UnsetFile& unset) { return unset.file == file; });
}

std::string ContentOfUnset(std::string_view file) {
  for (const UnsetFile& unset : kUnified) {
    if (unset.file == file) return unset.content;
  }
  return "";
}

absl::StatusOr<std::vector<UnitProperty>> UnitPropertiesFor(std::string_view file, std::string_view value,
                                                            std::string_view period) {
  auto properties = Translate(file, value, period);
  if (properties) return *std::move(properties);
  return absl::InvalidArgumentError(
      StrCat("'", TrimControl(value), "' is no content of ", file, " that systemd has a property for"));
}

}  // namespace truce::host
