#include "models/storage/refine.h"

#include <algorithm>
#include <cmath>

namespace truce {
namespace {

// How far the mean latency of an interval lies from any curve: a disk's moods, and what else the curve does not know.
constexpr double kDeviation = 0.3;
// Beyond so many deviations it pulls no harder.
constexpr double kHuber = 1.345;
// Beyond so many it is a surprise.
constexpr double kSurprise = 3;
// A surprise fades within so many intervals; at this share of them the disk is another one. Half a minute of surprises
// at the least, at one interval in a second; two and a half minutes at one in five.
constexpr double kSurpriseMemory = 20;
constexpr double kChanged = 0.8;
// Then what is held of what is seen becomes less sure by this factor each time, until it fits.
constexpr double kChangedForgets = 1.5;
// No parameter moves further than by this at once: far from the truth the slope there says little of the way.
constexpr double kMostMove = 0.5;

bool IsSound(const DeviceObservation& seen, absl::Duration interval) {
  if (interval <= absl::ZeroDuration() || interval == absl::InfiniteDuration() || !seen.load.IsSound()) return false;
  if (!(std::isfinite(seen.in_flight_while_busy) && seen.in_flight_while_busy >= 0)) return false;
  return std::all_of(kDiskDirections.begin(), kDiskDirections.end(), [&seen](size_t direction) {
    const double operations = seen.operations[direction];
    const double seconds = seen.mean_seconds[direction];
    return std::isfinite(operations) && operations >= 0 && std::isfinite(seconds) && seconds >= 0;
  });
}

// Never less sure than of any disk.
void BoundCovariance(DeviceMatrix& covariance) {
  static const DeviceBelief any = DeviceBelief::OfAnyDisk();
  DeviceVector scale = DeviceVector::Ones();
  for (int i = 0; i < kDeviceParameters; ++i) {
    if (covariance(i, i) > any.covariance(i, i)) scale[i] = std::sqrt(any.covariance(i, i) / covariance(i, i));
  }
  covariance = scale.asDiagonal() * covariance * scale.asDiagonal();
  covariance = (covariance + covariance.transpose()).eval() / 2;
}

}  // namespace

bool DeviceRefiner::Observe(const DeviceObservation& seen, absl::Duration interval,
                            const std::array<double, 2>& outside_seconds) {
  if (!IsSound(seen, interval)) return false;
  bool learned = false;
  for (const size_t direction : kDiskDirections) {
    // The clocks behind a mean of 0 are too coarse to learn from.
    if (seen.operations[direction] < kLeastOperations || seen.mean_seconds[direction] <= 0) continue;
    if (seen.load.of[direction].operations_per_second <= 0) continue;
    Learn(direction, seen, interval, outside_seconds[direction]);
    learned = true;
  }
  if (learned) ++state_.observed;
  return learned;
}

void DeviceRefiner::Learn(size_t direction, const DeviceObservation& seen, absl::Duration interval,
                          double outside_seconds) {
  DeviceBelief& belief = state_.belief;
  const auto expected = [&](const DeviceVector& at) {
    return std::log(DeviceCurve(at).MeanSeen(direction, seen.load, seen.in_flight_while_busy));
  };
  const double innovation = std::log(seen.mean_seconds[direction] + outside_seconds) - expected(belief.mean);
  const double noise = kDeviation * kDeviation + 1 / seen.operations[direction];
  const DeviceVector slope = Gradient(expected, belief.mean);
  DeviceVector along = belief.covariance * slope;
  double variance = slope.dot(along);
  if (!std::isfinite(innovation) || !(variance > 0)) return;

  const double deviations = innovation / std::sqrt(noise + variance);
  double& surprise = state_.surprise[direction];
  const double sign = deviations > kSurprise ? 1 : deviations < -kSurprise ? -1 : 0;
  surprise += (sign - surprise) / kSurpriseMemory;

  const double share = absl::FDivDuration(interval, kMemory);
  const double forgets = std::abs(surprise) > kChanged ? kChangedForgets : std::exp(std::min(share, 1.0));
  belief.covariance += (forgets - 1) / variance * along * along.transpose();
  along *= forgets;
  variance *= forgets;

  const double bound = kHuber * std::sqrt(noise + variance);
  DeviceVector move = along / (noise + variance) * std::clamp(innovation, -bound, bound);
  const double furthest = move.cwiseAbs().maxCoeff();
  if (furthest > kMostMove) move *= kMostMove / furthest;
  belief.mean = WithinReason(belief.mean + move);
  belief.covariance -= along * along.transpose() / (noise + variance);
  BoundCovariance(belief.covariance);
}

bool DeviceRefiner::has_changed() const {
  return std::any_of(state_.surprise.begin(), state_.surprise.end(),
                     [](double surprise) { return std::abs(surprise) > kChanged; });
}

}  // namespace truce
