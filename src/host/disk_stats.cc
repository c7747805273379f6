#include "src/host/disk_stats.h"

#include <fcntl.h>

#include <optional>

#include "absl/strings/numbers.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::host {
namespace {

constexpr uint64_t kSectorBytes = 512;  // of diskstats, whatever the device's are

std::optional<uint64_t> Number(std::string_view word) {
  uint64_t number = 0;
  if (!absl::SimpleAtoi(AbslView(word), &number)) return std::nullopt;
  return number;
}

std::optional<DiskStats> ParseLine(std::string_view line) {
  DiskStats stats;
  const std::string_view major = NextWord(&line);
  const std::string_view minor = NextWord(&line);
  stats.device = StrCat(major, ":", minor);
  stats.name = std::string(NextWord(&line));
  // Reads, merged, sectors, ms; the same of writes; in flight, ms busy, ms queued. What newer kernels add comes after.
  std::array<uint64_t, 11> field{};
  for (uint64_t& value : field) {
    const std::optional<uint64_t> number = Number(NextWord(&line));
    if (!number.has_value()) return std::nullopt;
    value = *number;
  }
  if (!Number(major).has_value() || !Number(minor).has_value()) return std::nullopt;
  stats.operations = {field[0], field[4]};
  stats.bytes = {field[2] * kSectorBytes, field[6] * kSectorBytes};
  stats.milliseconds = {field[3], field[7]};
  stats.in_flight = field[8];
  stats.busy_milliseconds = field[9];
  stats.queue_milliseconds = field[10];
  return stats;
}

}  // namespace

std::vector<DiskStats> ParseDiskStats(std::string_view text) {
  std::vector<DiskStats> all;
  ForEachLine(text, [&all](std::string_view line) {
    if (auto stats = ParseLine(line)) all.push_back(*std::move(stats));
  });
  return all;
}

absl::StatusOr<std::vector<DiskStats>> ReadDiskStats(const std::string& procfs, ReadBuffer& buffer) {
  TRUCE_ASSIGN_OR_RETURN(const std::string_view text,
                         ReadWholeAt(AT_FDCWD, StrCat(procfs, "/diskstats").c_str(), buffer));
  return ParseDiskStats(text);
}

}  // namespace truce::host
