#include "lab/storage/measure.h"

#include <algorithm>
#include <cmath>
#include <iostream>
#include <limits>
#include <utility>

#include "absl/time/clock.h"
#include "lab/storage/runner.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

constexpr absl::Duration kShortestTime = absl::Minutes(3);

std::string Describe(const PlannedLoad& load) {
  const char* pacing = load.pacing == Pacing::kAlone ? "alone" : load.pacing == Pacing::kOpen ? "paced" : "saturated";
  return StrCat(pacing, ", ", static_cast<int64_t>(load.operation_bytes) / 1024, " KiB, ",
                static_cast<int>(std::lround(100 * load.read_share)), " % reads");
}

// Measures loads, each in every round.
class Measurement {
 public:
  Measurement(StorageRunner& runner, const Clock& clock, int runs)
      : runner_(runner), progress_(&std::cerr, &clock, runs) {}

  // The rate of an open load is its utilisation by `curve`, which may be null when there is none.
  absl::Status Take(const std::vector<PlannedLoad>& loads, const DeviceCurve* curve) {
    std::vector<std::vector<MeasuredPoint>> seen(loads.size());
    for (int round = 0; round < kRounds; ++round) {
      for (size_t i = 0; i < loads.size(); ++i) {
        TRUCE_ASSIGN_OR_RETURN(const std::optional<MeasuredPoint> point, TakeOne(loads[i], curve));
        if (point.has_value()) seen[i].push_back(*point);
      }
    }
    for (const std::vector<MeasuredPoint>& one : seen) {
      if (const auto median = MedianPoint(one)) points_.push_back(*median);
    }
    return absl::OkStatus();
  }
  // Climbs each ladder in every round.
  absl::Status Check(const DeviceBelief& belief, const StorageLimits& limits, StorageOutcome* outcome);
  const std::vector<MeasuredPoint>& points() const { return points_; }

 private:
  // What one ladder gave in all rounds.
  struct Climbed {
    std::vector<MeasuredPoint> alone;
    std::vector<std::vector<MeasuredPoint>> steps;
  };
  absl::StatusOr<std::optional<MeasuredPoint>> TakeOne(const PlannedLoad& load, const DeviceCurve* curve) {
    progress_.Step(Describe(load));
    StorageRun run{load.pacing, load.operation_bytes, load.read_share, 0};
    if (load.pacing == Pacing::kOpen) {
      run.rate =
          LoadAtUtilisation(*curve, load.read_share, load.operation_bytes, load.utilisation).operations_per_second();
    }
    return runner_.Run(run);
  }
  absl::Status Climb(const Ladder& ladder, const DeviceCurve& curve, const StorageLimits& limits, Climbed* climbed);

  StorageRunner& runner_;
  Progress progress_;
  std::vector<MeasuredPoint> points_;
};

// By how much the 99th percentiles are above those of `base`: the direction in which it is more.
double TailRatio(const MeasuredPoint& point, const MeasuredPoint& base) {
  if (point.pacing == Pacing::kSaturated) return std::numeric_limits<double>::infinity();
  double ratio = 0;
  for (const size_t direction : kDiskDirections) {
    if (!point.p99_seconds[direction].has_value() || !base.p99_seconds[direction].has_value()) continue;
    ratio = std::max(ratio, *point.p99_seconds[direction] / *base.p99_seconds[direction]);
  }
  return ratio;
}

// The rate at which the 99th percentile of `steps` (rising) is twice that of `base`, between the last step below and
// the first of those that stay above; 0 when it never is.
double DoublingRate(const std::vector<MeasuredPoint>& steps, const MeasuredPoint& base) {
  size_t above = steps.size();
  while (above > 0 && TailRatio(steps[above - 1], base) >= 2) --above;
  if (above == steps.size()) return 0;
  const double rate = steps[above].load.operations_per_second();
  if (above == 0) return rate;
  const double rate_below = steps[above - 1].load.operations_per_second();
  const double ratio = TailRatio(steps[above], base);
  // One that the disk could not keep up with: what it does then is the most that there is.
  if (std::isinf(ratio)) return std::max(rate, rate_below);
  const double ratio_below = std::max(TailRatio(steps[above - 1], base), 1e-3);
  const double share = (std::log(2.0) - std::log(ratio_below)) / (std::log(ratio) - std::log(ratio_below));
  return rate_below + share * (rate - rate_below);
}

absl::Status Measurement::Climb(const Ladder& ladder, const DeviceCurve& curve, const StorageLimits& limits,
                                Climbed* climbed) {
  TRUCE_ASSIGN_OR_RETURN(const std::optional<MeasuredPoint> alone,
                         TakeOne({Pacing::kAlone, ladder.operation_bytes, ladder.read_share, 0}, nullptr));
  if (alone.has_value()) climbed->alone.push_back(*alone);
  const std::vector<double> steps = LadderSteps();
  climbed->steps.resize(steps.size());
  const std::optional<double> most = limits.MostRate(ladder.operation_bytes);
  bool is_over = false;
  for (size_t i = 0; i < steps.size(); ++i) {
    const DeviceLoad asked = LoadAtUtilisation(curve, ladder.read_share, ladder.operation_bytes, steps[i]);
    is_over = is_over || (most.has_value() && asked.operations_per_second() > *most);
    if (is_over) {
      runner_.Spare(1);
      progress_.Step("not needed");
      continue;
    }
    TRUCE_ASSIGN_OR_RETURN(const std::optional<MeasuredPoint> point,
                           TakeOne({Pacing::kOpen, ladder.operation_bytes, ladder.read_share, steps[i]}, &curve));
    if (!point.has_value()) continue;
    climbed->steps[i].push_back(*point);
    is_over = point->pacing == Pacing::kSaturated;
  }
  return absl::OkStatus();
}

CheckedLoad CheckLoad(const MeasuredPoint& point, const DeviceCurve& curve) {
  CheckedLoad checked{point, curve.At(point.load), {}};
  for (const size_t direction : kDiskDirections) {
    const double bytes = point.load.of[direction].mean_bytes();
    checked.unloaded.mean_seconds[direction] = curve.Service(direction, bytes);
    checked.unloaded.p99_seconds[direction] = curve.ServiceP99(direction, bytes);
  }
  return checked;
}

// What was measured of a ladder's doublings, and what had been said of them.
CheckedLadder CheckLadder(const Ladder& ladder, const DeviceBelief& belief, const std::optional<MeasuredPoint>& alone,
                          const std::vector<MeasuredPoint>& steps, const std::optional<MeasuredPoint>& now) {
  CheckedLadder checked{.ladder = ladder};
  const DeviceLoad half = LoadAtUtilisation(belief.curve(), ladder.read_share, ladder.operation_bytes, 0.5);
  if (const auto headroom = HeadroomOf(belief, half); headroom.has_value()) {
    checked.from_unloaded = {alone.has_value() ? DoublingRate(steps, *alone) : 0,
                             headroom->until_doubled_unloaded * half.operations_per_second()};
  }
  if (!now.has_value()) return checked;
  if (const auto headroom = HeadroomOf(belief, now->load); headroom.has_value()) {
    checked.from_now = {DoublingRate(steps, *now), headroom->until_doubled_now * now->load.operations_per_second()};
  }
  return checked;
}

absl::Status Measurement::Check(const DeviceBelief& belief, const StorageLimits& limits, StorageOutcome* outcome) {
  const std::vector<Ladder> ladders = HeldOutLadders();
  std::vector<Climbed> climbed(ladders.size());
  const DeviceCurve curve = belief.curve();
  for (int round = 0; round < kRounds; ++round) {
    for (size_t i = 0; i < ladders.size(); ++i) {
      TRUCE_RETURN_IF_ERROR(Climb(ladders[i], curve, limits, &climbed[i]));
    }
  }
  for (size_t i = 0; i < ladders.size(); ++i) {
    std::vector<MeasuredPoint> steps;
    std::optional<MeasuredPoint> now;
    for (size_t step = 0; step < climbed[i].steps.size(); ++step) {
      const std::optional<MeasuredPoint> point = MedianPoint(climbed[i].steps[step]);
      if (!point.has_value()) continue;
      steps.push_back(*point);
      if (point->pacing != Pacing::kOpen) break;
      if (step == kNowStep) now = point;
      outcome->loads.push_back(CheckLoad(*point, curve));
    }
    outcome->ladders.push_back(CheckLadder(ladders[i], belief, MedianPoint(climbed[i].alone), steps, now));
  }
  return absl::OkStatus();
}

absl::Status CheckOptions(const StorageOptions& options) {
  if (options.limits.time < kShortestTime) {
    return absl::InvalidArgumentError(StrCat("--time ", absl::FormatDuration(options.limits.time), " is too short for ",
                                             CountRuns(), " runs; give at least ",
                                             absl::FormatDuration(kShortestTime)));
  }
  if (options.file_bytes > options.limits.written_bytes / 2) {
    return absl::InvalidArgumentError(
        StrCat("a file of ", options.file_bytes >> 20, " MiB has to be written first, which is more than half of the ",
               options.limits.written_bytes >> 20,
               " MiB that may be written; give a smaller --size or a larger --most-written"));
  }
  return absl::OkStatus();
}

// What the disk could do at one extreme of the grid.
double MostOf(const DeviceCurve& curve, size_t direction, double operation_bytes) {
  return LoadAtUtilisation(curve, direction == kDiskRead ? 1 : 0, operation_bytes, 1).operations_per_second();
}

}  // namespace

absl::StatusOr<StorageOutcome> MeasureStorage(const StorageOptions& options, ShutdownSignals& signals) {
  TRUCE_RETURN_IF_ERROR(CheckOptions(options));
  TRUCE_ASSIGN_OR_RETURN(const WorkFile file, WorkFile::Make(options.file, options.file_bytes));
  TRUCE_ASSIGN_OR_RETURN(const DiskName disk, FindDisk(file.device(), options.sysfs));
  const Clock& clock = SystemClock();
  StorageRunner runner(file, disk.name, options.limits, CountRuns(), options.procfs, clock, signals);
  std::cerr << "measuring " << disk.name << " through " << file.path() << std::endl;
  TRUCE_RETURN_IF_ERROR(runner.Fill());
  Measurement measurement(runner, clock, CountRuns());
  TRUCE_RETURN_IF_ERROR(measurement.Take(LoadsAlone(), nullptr));
  TRUCE_RETURN_IF_ERROR(measurement.Take(LoadsSaturated(), nullptr));
  TRUCE_ASSIGN_OR_RETURN(const DeviceFit rough, FitDevice(measurement.points()));
  const DeviceCurve rough_curve = rough.belief.curve();
  TRUCE_RETURN_IF_ERROR(measurement.Take(LoadsOpen(), &rough_curve));
  TRUCE_ASSIGN_OR_RETURN(const DeviceFit fit, FitDevice(measurement.points()));

  StorageOutcome outcome{.model = DeviceModel({disk.name, disk.size_bytes}, fit, runner.OutsideSeconds(), absl::Now())};
  outcome.fitted = measurement.points();
  TRUCE_RETURN_IF_ERROR(measurement.Check(fit.belief, options.limits, &outcome));
  for (const size_t direction : kDiskDirections) {
    outcome.most_operations_per_second[direction] = MostOf(fit.belief.curve(), direction, 4096);
    outcome.most_bytes_per_second[direction] = MostOf(fit.belief.curve(), direction, 262144) * 262144;
  }
  outcome.written_bytes = runner.written_bytes();
  outcome.disturbed = runner.disturbed();
  outcome.too_short = runner.too_short();
  return outcome;
}

}  // namespace truce::lab
