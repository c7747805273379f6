// A group of perf events that one cgroup (or task) has on one CPU, and what its reads mean. Decoding, subtracting and
// adding up are pure functions, so they are tested without a PMU. The counter service and the calibration call this.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "src/host/counters_syscalls.h"

namespace truce::host {

// Events in the largest group.
inline constexpr size_t kMaxGroupEvents = 8;

// What a group has counted: raw, not scaled. Either since the group was opened, or between two reads.
struct GroupCounts {
  // Time in which the group was enabled and its cgroup ran on this CPU, and of that the time in which the group was on
  // the PMU. They differ when other users of the PMU take turns with it.
  uint64_t enabled_ns = 0;
  uint64_t running_ns = 0;
  size_t size = 0;
  std::array<uint64_t, kMaxGroupEvents> values{};
};

// Bytes that a read of a group of `events` returns (PERF_FORMAT_GROUP | ID | TOTAL_TIME_ENABLED | TOTAL_TIME_RUNNING):
// the number of events, both times, then value and id of each.
constexpr size_t GroupReadBytes(size_t events) {
  return (3 + 2 * events) * sizeof(uint64_t);
}

// Decodes one read of a group whose events have these ids, in the order in which they were opened. DataLoss when the
// read is shorter than that, when it speaks of another number of events, or when an id is not the expected one.
absl::StatusOr<GroupCounts> DecodeGroupRead(std::string_view bytes, absl::Span<const uint64_t> ids);

// What was counted between two reads of the same group. DataLoss when a count or a time went back, or the sizes differ.
absl::StatusOr<GroupCounts> SubtractCounts(const GroupCounts& later, const GroupCounts& earlier);

// Adds up what a workload's groups counted in one interval on all CPUs, scaled for multiplexing.
class ScaledSum {
 public:
  // `counts` of one CPU over the interval. All have the same events.
  void Add(const GroupCounts& counts);

  // Count of event `index`, had the group been on the PMU all the time: sum over CPUs of raw x enabled / running. A CPU
  // on which the group never ran is taken to have counted at the rate of the others. nullopt when it ran on none:
  // then nothing is known, which is not zero.
  std::optional<double> Scaled(size_t index) const;
  // Sum of the raw counts of event `index`.
  uint64_t Raw(size_t index) const { return raw_[index]; }
  // time_enabled / time_running over all CPUs, >= 1; nullopt when the group ran on none.
  std::optional<double> ScaleFactor() const;
  uint64_t enabled_ns() const { return enabled_ns_; }
  uint64_t running_ns() const { return running_ns_; }

 private:
  std::array<uint64_t, kMaxGroupEvents> raw_{};
  std::array<double, kMaxGroupEvents> scaled_{};
  uint64_t enabled_ns_ = 0;
  uint64_t running_ns_ = 0;
  // Part of enabled_ns_ on CPUs where the group ran at all.
  uint64_t covered_ns_ = 0;
};

// The open events of one group. Closes them when it goes; `syscalls` must outlive it. Not thread-safe.
class PerfGroup {
 public:
  // Opens `events` (1 to kMaxGroupEvents), disabled. All or nothing: the error names the event and says what the kernel
  // said; ResourceExhausted when file descriptors ran out, NotFound when the CPU is offline.
  static absl::StatusOr<PerfGroup> Open(PerfSyscalls* syscalls, absl::Span<const PerfEvent> events,
                                        const PerfTarget& target, int cpu);
  PerfGroup(PerfGroup&& other) noexcept;
  PerfGroup& operator=(PerfGroup&& other) noexcept;
  PerfGroup(const PerfGroup&) = delete;
  PerfGroup& operator=(const PerfGroup&) = delete;
  ~PerfGroup();

  absl::Status SetEnabled(bool enabled);
  // Counts since the group was opened.
  absl::StatusOr<GroupCounts> Read() const;
  int cpu() const { return cpu_; }

 private:
  PerfGroup(PerfSyscalls* syscalls, int cpu) : syscalls_(syscalls), cpu_(cpu) {}
  void CloseAll();

  PerfSyscalls* syscalls_;
  int cpu_;
  std::vector<int> fds_;  // the leader first
  std::vector<uint64_t> ids_;
};

}  // namespace truce::host
