// Fits a disk's curve to what was measured of it. Pure.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "models/storage/device_belief.h"

namespace truce {

// How the operations of a measured point came.
enum class Pacing {
  // One after the other: each is alone, and nothing waits.
  kAlone,
  // By themselves, at random times.
  kOpen,
  // As many as the disk takes: it is fully used, and how long they wait is up to how many there are.
  kSaturated,
};

struct MeasuredPoint {
  Pacing pacing = Pacing::kOpen;
  // What the disk did, not what was asked of it.
  DeviceLoad load;
  // nullopt for a direction without operations.
  std::array<std::optional<double>, 2> mean_seconds;
  std::array<std::optional<double>, 2> p99_seconds;
};

struct DeviceFit {
  DeviceBelief belief;
  // How far a point typically lies from the curve: 1.4826 times the median of |ln(measured / expected)|.
  double mean_deviation = 0;
  double p99_deviation = 0;
};

// The most likely curve by the points and by what is held of any disk (DeviceBelief::OfAnyDisk), so that what was not
// measured stays open instead of being made up: Levenberg and Marquardt's method on differences of logarithms, with
// Huber's weights, so that a few wild points don't matter. The covariance is that of Laplace's approximation.
// InvalidArgument when a point is not sound, or without one of a disk that was alone.
absl::StatusOr<DeviceFit> FitDevice(const std::vector<MeasuredPoint>& points);

}  // namespace truce
