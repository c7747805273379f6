// What the kernel has counted of each block device since it appeared: /proc/diskstats
// (Documentation/admin-guide/iostats.rst), which is /sys/block/DISK/stat of all of them in one read.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "src/host/file.h"

namespace truce::host {

// Totals; reads first, then writes. The kernel's are of 64 bits but for those of time, which wrap at 2^32 ms.
struct DiskStats {
  // "nvme0n1"; partitions are there as well.
  std::string name;
  // "major:minor".
  std::string device;
  // As the device got them: after neighbours were merged.
  std::array<uint64_t, 2> operations{};
  std::array<uint64_t, 2> bytes{};
  // Of all operations together, from the block layer's door to completion.
  std::array<uint64_t, 2> milliseconds{};
  // Operations that are in flight now.
  uint64_t in_flight = 0;
  // In which there was any.
  uint64_t busy_milliseconds = 0;
  // The sum over the operations in flight, of all kinds.
  uint64_t queue_milliseconds = 0;
};

// Every device that `text` (the file's content) has a whole line of; what is no such line is left out.
std::vector<DiskStats> ParseDiskStats(std::string_view text);
// Those of `procfs`/diskstats.
absl::StatusOr<std::vector<DiskStats>> ReadDiskStats(const std::string& procfs, ReadBuffer& buffer);

}  // namespace truce::host
