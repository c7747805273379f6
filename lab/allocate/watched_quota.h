// What a workload's CPU quota was over time, and how long it was kept from running by it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lab/allocate/allocate.h"
#include "src/host/cgroup.h"

namespace truce::lab {

class WatchedQuota {
 public:
  static absl::StatusOr<WatchedQuota> Open(const host::CgroupLayout& layout, const std::string& path);

  // Reads it. Call it several times a second.
  absl::Status Look(absl::Time now);
  // Mean CPU use between two times, in cores.
  double Used(absl::Time begin, absl::Time end) const;
  // What came of a burst that began at `begin`, needs `need_cores`, and whose period ends at `end`; both within what
  // was looked at.
  BurstOutcome Of(absl::Time begin, absl::Time end, double need_cores) const;

 private:
  struct Seen {
    absl::Time at;
    // nullopt: not bound.
    std::optional<double> cores;
    absl::Duration throttled;
    absl::Duration used;
  };
  explicit WatchedQuota(std::unique_ptr<host::Cgroup> cgroup) : cgroup_(std::move(cgroup)) {}
  // What was seen at that time or next after it; the last look where that is later. At least one look.
  const Seen& At(absl::Time time) const;

  std::unique_ptr<host::Cgroup> cgroup_;
  host::ReadBuffer buffer_;
  std::vector<Seen> seen_;
};

}  // namespace truce::lab
