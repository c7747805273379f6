// Runs fio once and reads what it says. fio is what everybody measures disks with; it is in Debian's package of that
// name.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/base/shutdown.h"

namespace truce::lab {

// Random operations of one size, past the page cache.
struct FioRun {
  // What to open, and how much of it to use.
  std::string file;
  uint64_t file_bytes = 0;
  uint64_t operation_bytes = 4096;
  // Of the operations; 1: reads alone.
  double read_share = 1;
  // Operations in flight at most.
  int depth = 1;
  // Operations a second, at random times; nullopt: as soon as one of those in flight is done.
  std::optional<double> rate;
  absl::Duration length = absl::Seconds(1);
  // It ends sooner when it has read and written so much.
  uint64_t most_bytes = uint64_t{1} << 50;
  // One pass over the file from its beginning to its end, instead of random places.
  bool sequential = false;
};

struct FioDirection {
  uint64_t operations = 0;
  double operations_per_second = 0;
  double bytes_per_second = 0;
  uint64_t bytes = 0;
  // From submission to completion; 0 without operations.
  double mean_seconds = 0;
  double p99_seconds = 0;
};
struct FioResult {
  // Reads, writes.
  std::array<FioDirection, 2> of;
};

// What fio is started with.
std::vector<std::string> FioArguments(const FioRun& run);
// InvalidArgument when `text` is not what fio writes as JSON.
absl::StatusOr<FioResult> ParseFio(std::string_view text);
// NotFound when there is no fio, Cancelled when a signal came; what fio complains of otherwise.
absl::StatusOr<FioResult> RunFio(const FioRun& run, ShutdownSignals& signals);

}  // namespace truce::lab
