// Which loads a disk is measured under, and which it is checked under. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "models/storage/device_curve.h"
#include "models/storage/fit.h"

namespace truce::lab {

// What a measurement may do to a disk and whoever uses it.
struct StorageLimits {
  absl::Duration time = absl::Minutes(5);
  uint64_t written_bytes = uint64_t{32} << 30;
  // nullopt: as much as the disk takes.
  std::optional<double> operations_per_second;
  std::optional<double> bytes_per_second;

  // Operations a second of that size that may be asked for; nullopt for any.
  std::optional<double> MostRate(double operation_bytes) const;
};

struct PlannedLoad {
  Pacing pacing = Pacing::kAlone;
  double operation_bytes = 4096;
  double read_share = 1;
  // Of what the disk can do; of open ones only.
  double utilisation = 0;
};

// A mix at a size whose headroom is measured: the load is raised step by step until the 99th percentile has doubled.
struct Ladder {
  double operation_bytes = 4096;
  double read_share = 1;
};

// A disk that is alone, first of all.
std::vector<PlannedLoad> LoadsAlone();
// As much as it takes.
std::vector<PlannedLoad> LoadsSaturated();
// Between the two.
std::vector<PlannedLoad> LoadsOpen();
// None of them has a mix or a size that a disk is fitted at.
std::vector<Ladder> HeldOutLadders();
// The steps of a ladder: shares of what the disk can do, rising.
std::vector<double> LadderSteps();
// The step from which "twice that of now" is asked.
inline constexpr size_t kNowStep = 2;
// Each load is measured so many times, with all the others in between, and the median counts: what else goes on on a
// host comes and goes.
inline constexpr int kRounds = 3;
// Runs of fio that all of these make.
int CountRuns();
// The median of what several runs of one load gave; nullopt of none. Saturated when half of them are.
std::optional<MeasuredPoint> MedianPoint(const std::vector<MeasuredPoint>& points);

// A load of that mix and size at which `curve` is used by that share.
DeviceLoad LoadAtUtilisation(const DeviceCurve& curve, double read_share, double operation_bytes, double utilisation);

}  // namespace truce::lab
