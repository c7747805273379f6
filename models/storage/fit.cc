#include "models/storage/fit.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <functional>

#include "src/base/text.h"

namespace truce {
namespace {

// Beyond so many deviations a residual pulls no harder (Huber 1964: 95 % as good as least squares on normal errors).
constexpr double kHuber = 1.345;
constexpr int kMostSteps = 100;

enum class Kind { kMean, kP99, kFull };
// How far points lie from the curve before that is known, and the least that is believed.
struct Deviations {
  double of_mean = 0.15;
  double of_p99 = 0.35;
  double of_full = 0.1;

  double of(Kind kind) const { return kind == Kind::kMean ? of_mean : kind == Kind::kP99 ? of_p99 : of_full; }
};
constexpr Deviations kLeast = {0.02, 0.05, 0.02};

// One number that was measured, as a difference of logarithms from what a curve says.
struct Residual {
  Kind kind;
  Pacing pacing;
  std::function<double(const DeviceVector&)> value;
};

absl::Status CheckPoint(const MeasuredPoint& point) {
  if (!point.load.IsSound() || point.load.operations_per_second() <= 0) {
    return absl::InvalidArgumentError("a measured point has a load that is none");
  }
  for (const size_t direction : kDiskDirections) {
    for (const auto& seconds : {point.mean_seconds[direction], point.p99_seconds[direction]}) {
      if (seconds.has_value() && !(std::isfinite(*seconds) && *seconds > 0)) {
        return absl::InvalidArgumentError(StrCat("a measured point has a latency of ", *seconds, " s"));
      }
    }
  }
  return absl::OkStatus();
}

double Expected(const MeasuredPoint& point, size_t direction, bool p99, const DeviceVector& logarithms) {
  const DeviceCurve curve(logarithms);
  if (point.pacing == Pacing::kAlone) {
    const double bytes = point.load.of[direction].mean_bytes();
    return p99 ? curve.ServiceP99(direction, bytes) : curve.Service(direction, bytes);
  }
  const DeviceLatency latency = curve.At(point.load);
  return p99 ? latency.p99_seconds[direction] : latency.mean_seconds[direction];
}

std::vector<Residual> ResidualsOf(const std::vector<MeasuredPoint>& points) {
  std::vector<Residual> residuals;
  for (const MeasuredPoint& point : points) {
    if (point.pacing == Pacing::kSaturated) {
      residuals.push_back({Kind::kFull, point.pacing, [&point](const DeviceVector& logarithms) {
                             return -std::log(DeviceCurve(logarithms).Utilisation(point.load));
                           }});
      continue;
    }
    for (const size_t direction : kDiskDirections) {
      for (const bool p99 : {false, true}) {
        const auto& seconds = p99 ? point.p99_seconds[direction] : point.mean_seconds[direction];
        if (!seconds.has_value()) continue;
        residuals.push_back({p99 ? Kind::kP99 : Kind::kMean, point.pacing,
                             [&point, direction, p99, measured = *seconds](const DeviceVector& logarithms) {
                               return std::log(measured / Expected(point, direction, p99, logarithms));
                             }});
      }
    }
  }
  return residuals;
}

double HuberLoss(double deviations) {
  const double size = std::abs(deviations);
  return size <= kHuber ? size * size / 2 : kHuber * (size - kHuber / 2);
}

// The sum that is minimised.
double Loss(const std::vector<Residual>& residuals, const Deviations& deviations, const DeviceVector& at) {
  static const DeviceBelief any = DeviceBelief::OfAnyDisk();
  double loss = 0;
  for (int i = 0; i < kDeviceParameters; ++i) {
    loss += (at[i] - any.mean[i]) * (at[i] - any.mean[i]) / (2 * any.covariance(i, i));
  }
  for (const Residual& residual : residuals) loss += HuberLoss(residual.value(at) / deviations.of(residual.kind));
  return loss;
}

// Second derivatives (as Gauss and Newton have them) and the way downhill.
void Linearise(const std::vector<Residual>& residuals, const Deviations& deviations, const DeviceVector& at,
               DeviceMatrix* curvature, DeviceVector* downhill) {
  const DeviceBelief any = DeviceBelief::OfAnyDisk();
  curvature->setZero();
  for (int i = 0; i < kDeviceParameters; ++i) {
    (*curvature)(i, i) = 1 / any.covariance(i, i);
    (*downhill)[i] = (any.mean[i] - at[i]) / any.covariance(i, i);
  }
  for (const Residual& residual : residuals) {
    const double deviation = deviations.of(residual.kind);
    const double value = residual.value(at) / deviation;
    const double weight = std::abs(value) <= kHuber ? 1 : kHuber / std::abs(value);
    const DeviceVector slope = Gradient(residual.value, at) / deviation;
    *curvature += weight * slope * slope.transpose();
    *downhill -= weight * value * slope;
  }
}

DeviceVector Minimise(const std::vector<Residual>& residuals, const Deviations& deviations, DeviceVector at) {
  double damping = 1e-2;
  double loss = Loss(residuals, deviations, at);
  for (int step = 0; step < kMostSteps && damping < 1e8; ++step) {
    DeviceMatrix curvature;
    DeviceVector downhill;
    Linearise(residuals, deviations, at, &curvature, &downhill);
    bool better = false;
    while (!better && damping < 1e8) {
      DeviceMatrix damped = curvature;
      damped.diagonal() *= 1 + damping;
      const DeviceVector next = WithinReason(at + damped.ldlt().solve(downhill));
      const double next_loss = Loss(residuals, deviations, next);
      better = next_loss < loss;
      damping *= better ? 0.3 : 4;
      if (!better) continue;
      const bool done = loss - next_loss < 1e-9 * (1 + loss);
      at = next;
      loss = next_loss;
      if (done) return at;
    }
  }
  return at;
}

double MedianDeviation(const std::vector<Residual>& residuals, Kind kind, const DeviceVector& at) {
  std::vector<double> sizes;
  for (const Residual& residual : residuals) {
    if (residual.kind == kind) sizes.push_back(std::abs(residual.value(at)));
  }
  if (sizes.empty()) return 0;
  const auto middle = sizes.begin() + static_cast<std::ptrdiff_t>(sizes.size() / 2);
  std::nth_element(sizes.begin(), middle, sizes.end());
  // Of a normal distribution, whose median deviation is that much smaller than the standard one.
  return 1.4826 * *middle;
}

}  // namespace

absl::StatusOr<DeviceFit> FitDevice(const std::vector<MeasuredPoint>& points) {
  bool any_alone = false;
  for (const MeasuredPoint& point : points) {
    if (absl::Status status = CheckPoint(point); !status.ok()) return status;
    any_alone = any_alone || point.pacing == Pacing::kAlone;
  }
  if (!any_alone) return absl::InvalidArgumentError("nothing was measured of the disk when it was not loaded");
  const std::vector<Residual> all = ResidualsOf(points);
  // Step by step from what can't be mistaken: a disk's own time first, then what it can do at most, then the queue.
  DeviceVector at = DeviceBelief::OfAnyDisk().mean;
  std::vector<Residual> so_far;
  for (const Pacing pacing : {Pacing::kAlone, Pacing::kSaturated, Pacing::kOpen}) {
    for (const Residual& residual : all) {
      if (residual.pacing == pacing) so_far.push_back(residual);
    }
    at = Minimise(so_far, Deviations(), at);
  }
  // Once more with the deviations that there are.
  const Deviations seen = {std::max(kLeast.of_mean, MedianDeviation(all, Kind::kMean, at)),
                           std::max(kLeast.of_p99, MedianDeviation(all, Kind::kP99, at)),
                           std::max(kLeast.of_full, MedianDeviation(all, Kind::kFull, at))};
  at = Minimise(all, seen, at);
  DeviceFit fit;
  fit.belief.mean = at;
  DeviceMatrix curvature;
  DeviceVector downhill;
  Linearise(all, seen, at, &curvature, &downhill);
  const DeviceMatrix inverse = curvature.ldlt().solve(DeviceMatrix::Identity());
  fit.belief.covariance = (inverse + inverse.transpose()) / 2;
  fit.mean_deviation = MedianDeviation(all, Kind::kMean, at);
  fit.p99_deviation = MedianDeviation(all, Kind::kP99, at);
  return fit;
}

}  // namespace truce
