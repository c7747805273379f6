// How often this host switches between tasks, for the PMU governor.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "src/host/file.h"

namespace truce::host {

struct SwitchRates {
  // Context switches per second, of the host and of the CPU that switches most.
  double total = 0;
  double busiest_cpu = 0;
};

// Reads /proc/stat on each call, and /proc/schedstat, which is long on large hosts, on every kDetailEvery-th call and
// when the rate has grown. A host without /proc/schedstat gets the upper bound: all switches on one CPU. Not
// thread-safe.
class SwitchMeter {
 public:
  static constexpr int kDetailEvery = 5;
  explicit SwitchMeter(std::string procfs) : procfs_(std::move(procfs)) {}

  // Rates since the last call; nullopt on the first one, and when the kernel does not say.
  std::optional<SwitchRates> Measure(absl::Duration now);

 private:
  void MeasureShare(double total_rate);

  std::string procfs_;
  ReadBuffer buffer_;
  std::optional<uint64_t> last_switches_;
  absl::Duration last_time_;
  std::vector<uint64_t> last_runs_;
  double busiest_share_ = 1;
  double rate_at_detail_ = 0;
  int calls_since_detail_ = 0;
};

// The number behind "ctxt" in /proc/stat: context switches since boot.
std::optional<uint64_t> ParseSwitchCount(std::string_view proc_stat);
// Time slices run on each CPU since boot: the last field of the cpu lines of /proc/schedstat (versions 15 to 17).
std::vector<uint64_t> ParseTimeSlices(std::string_view schedstat);

}  // namespace truce::host
