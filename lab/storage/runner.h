// One run of fio after the other on one file, within what the limits leave: each gets its share of the time and of the
// bytes that may be written. One owner, main thread.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lab/storage/fio.h"
#include "lab/storage/plan.h"
#include "lab/storage/work_file.h"
#include "src/base/clock.h"
#include "src/host/disk_stats.h"

namespace truce::lab {

struct StorageRun {
  Pacing pacing = Pacing::kAlone;
  double operation_bytes = 4096;
  double read_share = 1;
  // Operations a second, of open ones.
  double rate = 0;
};

class StorageRunner {
 public:
  // `file` is of the disk that the kernel calls `disk`; all outlive the runner. `runs` is how many are to come.
  StorageRunner(const WorkFile& file, std::string disk, const StorageLimits& limits, int runs, std::string procfs,
                const Clock& clock, ShutdownSignals& signals);

  // Writes the file from its beginning to its end, so that reads find something on the disk. FailedPrecondition when
  // the disk is too slow for it within the limits.
  absl::Status Fill();
  // What came of it: an open one that the disk could not keep up with is a saturated one, and a saturated one that the
  // limits kept from being it is an open one. nullopt when it does not count.
  absl::StatusOr<std::optional<MeasuredPoint>> Run(const StorageRun& run);
  // So many of the runs to come are not needed after all.
  void Spare(size_t runs) { runs_left_ -= static_cast<int>(runs); }

  uint64_t written_bytes() const { return written_bytes_; }
  int disturbed() const { return disturbed_; }
  int too_short() const { return too_short_; }
  // What fio's operations took beyond what the kernel counts, when each was alone: the median by direction, at least 0.
  std::array<double, 2> OutsideSeconds() const;

 private:
  absl::StatusOr<host::DiskStats> Look();
  bool IsDisturbed(const host::DiskStats& before, const host::DiskStats& after, const FioResult& result) const;
  void NoteOutside(const host::DiskStats& before, const host::DiskStats& after, const FioResult& result);

  const WorkFile& file_;
  const std::string disk_;
  const StorageLimits limits_;
  const std::string procfs_;
  const Clock& clock_;
  ShutdownSignals& signals_;
  host::ReadBuffer buffer_;
  absl::Duration deadline_;
  // What a run takes beside its length: fio's start and end.
  absl::Duration around_ = absl::Milliseconds(500);
  int runs_left_;
  uint64_t written_bytes_ = 0;
  int disturbed_ = 0;
  int too_short_ = 0;
  std::array<std::vector<double>, 2> outside_seconds_;
};

}  // namespace truce::lab
