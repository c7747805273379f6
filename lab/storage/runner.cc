#include "lab/storage/runner.h"

#include <algorithm>
#include <utility>

#include "src/base/figures.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

// Enough in flight to keep any disk busy, and to let as many wait as come; as many for both, or a disk would do more
// under one than it is said to be able to do.
constexpr int kDepth = 256;
// Operations that are alone come seldom enough for the host to be idle in between, as it is when little is asked of a
// disk; one right after the other would find its CPUs awake. On a slow disk they come one after the other all the same.
constexpr double kAloneRate = 500;
constexpr double kFillBytes = 1 << 20;
constexpr absl::Duration kShortestRun = absl::Milliseconds(300);
// With fewer than these a mean, and a 99th percentile, is luck.
constexpr uint64_t kLeastForMean = 100;
constexpr uint64_t kLeastForP99 = 300;
// Less of what was asked than this: the disk did not keep up.
constexpr double kKeptUp = 0.95;

}  // namespace

StorageRunner::StorageRunner(const WorkFile& file, std::string disk, const StorageLimits& limits, int runs,
                             std::string procfs, const Clock& clock, ShutdownSignals& signals)
    : file_(file),
      disk_(std::move(disk)),
      limits_(limits),
      procfs_(std::move(procfs)),
      clock_(clock),
      signals_(signals),
      deadline_(clock.Monotonic() + limits.time),
      runs_left_(runs) {}

absl::Status StorageRunner::Fill() {
  FioRun fill{.file = file_.OpenName(), .file_bytes = file_.bytes(), .operation_bytes = uint64_t{1} << 20};
  fill.read_share = 0;
  fill.depth = 8;
  fill.rate = limits_.MostRate(kFillBytes);
  fill.length = limits_.time / 2;
  fill.most_bytes = file_.bytes();
  fill.sequential = true;
  TRUCE_ASSIGN_OR_RETURN(const FioResult result, RunFio(fill, signals_));
  written_bytes_ += result.of[kDiskWrite].bytes;
  if (result.of[kDiskWrite].bytes + (uint64_t{1} << 20) < file_.bytes()) {
    return absl::FailedPreconditionError(
        StrCat("half of --time was not enough to write the file of ", file_.bytes() >> 20,
               " MiB within the limits; give a smaller --size, a longer --time or a higher --most-bytes"));
  }
  return absl::OkStatus();
}

absl::StatusOr<host::DiskStats> StorageRunner::Look() {
  TRUCE_ASSIGN_OR_RETURN(std::vector<host::DiskStats> all, host::ReadDiskStats(procfs_, buffer_));
  for (host::DiskStats& one : all) {
    if (one.name == disk_) return std::move(one);
  }
  return absl::NotFoundError(StrCat("the disk ", disk_, " is not in ", procfs_, "/diskstats"));
}

absl::StatusOr<std::optional<MeasuredPoint>> StorageRunner::Run(const StorageRun& run) {
  const absl::Duration began = clock_.Monotonic();
  const int left = std::max(1, runs_left_--);
  const absl::Duration length = (deadline_ - began) / left - around_;
  FioRun fio{.file = file_.OpenName(), .file_bytes = file_.bytes()};
  fio.operation_bytes = static_cast<uint64_t>(run.operation_bytes);
  fio.read_share = run.read_share;
  fio.depth = run.pacing == Pacing::kAlone ? 1 : kDepth;
  fio.length = std::max(length, kShortestRun);
  const std::optional<double> most_rate = limits_.MostRate(run.operation_bytes);
  if (run.pacing == Pacing::kOpen) fio.rate = run.rate;
  if (run.pacing == Pacing::kAlone) fio.rate = kAloneRate;
  if (most_rate.has_value()) fio.rate = std::min(fio.rate.value_or(*most_rate), *most_rate);
  if (run.read_share < 1) {
    const uint64_t may_write =
        (limits_.written_bytes - std::min(written_bytes_, limits_.written_bytes)) / static_cast<uint64_t>(left);
    fio.most_bytes = static_cast<uint64_t>(static_cast<double>(may_write) / (1 - run.read_share));
    if (fio.most_bytes < fio.operation_bytes * kLeastForMean) {
      ++too_short_;
      return std::nullopt;
    }
  }

  TRUCE_ASSIGN_OR_RETURN(const host::DiskStats before, Look());
  TRUCE_ASSIGN_OR_RETURN(const FioResult result, RunFio(fio, signals_));
  TRUCE_ASSIGN_OR_RETURN(const host::DiskStats after, Look());
  written_bytes_ += result.of[kDiskWrite].bytes;
  const absl::Duration around = clock_.Monotonic() - began - fio.length;
  if (around > absl::ZeroDuration()) around_ += (around - around_) / 4;

  if (IsDisturbed(before, after, result)) {
    ++disturbed_;
    return std::nullopt;
  }
  MeasuredPoint point{.pacing = run.pacing};
  bool counts = false;
  double done = 0;
  for (const size_t direction : kDiskDirections) {
    const FioDirection& one = result.of[direction];
    point.load.of[direction] = {one.operations_per_second, one.bytes_per_second};
    done += one.operations_per_second;
    if (one.operations >= kLeastForMean) point.mean_seconds[direction] = one.mean_seconds;
    if (one.operations >= kLeastForP99) point.p99_seconds[direction] = one.p99_seconds;
    counts = counts || one.operations >= kLeastForMean;
  }
  if (!counts) {
    ++too_short_;
    return std::nullopt;
  }
  if (run.pacing == Pacing::kAlone) {
    NoteOutside(before, after, result);
  } else {
    const bool kept_up = fio.rate.has_value() && done >= kKeptUp * *fio.rate;
    point.pacing = kept_up ? Pacing::kOpen : Pacing::kSaturated;
  }
  return point;
}

bool StorageRunner::IsDisturbed(const host::DiskStats& before, const host::DiskStats& after,
                                const FioResult& result) const {
  for (const size_t direction : kDiskDirections) {
    const auto bytes = static_cast<double>(after.bytes[direction] - before.bytes[direction]);
    // Some is the file system's own.
    if (bytes > 1.2 * static_cast<double>(result.of[direction].bytes) + (4 << 20)) return true;
  }
  return false;
}

void StorageRunner::NoteOutside(const host::DiskStats& before, const host::DiskStats& after, const FioResult& result) {
  for (const size_t direction : kDiskDirections) {
    const uint64_t operations = after.operations[direction] - before.operations[direction];
    if (operations < kLeastForMean || result.of[direction].operations < kLeastForMean) continue;
    const double kernel = static_cast<double>(after.milliseconds[direction] - before.milliseconds[direction]) * 1e-3 /
                          static_cast<double>(operations);
    outside_seconds_[direction].push_back(result.of[direction].mean_seconds - kernel);
  }
}

std::array<double, 2> StorageRunner::OutsideSeconds() const {
  std::array<double, 2> outside{};
  for (const size_t direction : kDiskDirections) {
    if (outside_seconds_[direction].empty()) continue;
    outside[direction] = std::max(0.0, Summarize(outside_seconds_[direction]).median);
  }
  return outside;
}

}  // namespace truce::lab
