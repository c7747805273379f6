#include "models/storage/device_curve.h"

#include <algorithm>
#include <cmath>

namespace truce {
namespace {

// From here on 1 / (1 - rho) goes on as its tangent.
constexpr double kTangentFrom = 0.95;

double Congestion(double utilisation) {
  if (utilisation < kTangentFrom) return 1 / (1 - utilisation);
  const double at = 1 / (1 - kTangentFrom);
  return at + (utilisation - kTangentFrom) * at * at;
}

}  // namespace

DeviceCurve::DeviceCurve(const DeviceVector& logarithms)
    : parameters_(logarithms.array().exp().matrix()),
      // Sakasegawa's, less one that is in the sum of the squares.
      exponent_(std::sqrt(2 * (parameters_[kServers] + 2)) - 2) {}

double DeviceCurve::Service(size_t direction, double bytes) const {
  return Parameter(direction, kService) + Parameter(direction, kServicePerByte) * bytes;
}

double DeviceCurve::ServiceP99(size_t direction, double bytes) const {
  return Service(direction, bytes) * (1 + Parameter(direction, kTail));
}

double DeviceCurve::Occupied(size_t direction, double bytes) const {
  return Parameter(direction, kService) * Parameter(direction, kOccupied) +
         Parameter(direction, kServicePerByte) * Parameter(direction, kOccupiedPerByte) * bytes;
}

double DeviceCurve::Utilisation(const DeviceLoad& load) const {
  double utilisation = 0;
  for (const size_t direction : kDiskDirections) {
    const DirectionLoad& one = load.of[direction];
    utilisation += one.operations_per_second * Occupied(direction, one.mean_bytes());
  }
  return utilisation;
}

double DeviceCurve::Crowded(size_t direction, double utilisation) const {
  return 1 + Parameter(direction, kCrowding) * utilisation;
}

double DeviceCurve::Queue(const DeviceLoad& load) const {
  const double utilisation = Utilisation(load);
  double second_moment = 0;
  for (const size_t direction : kDiskDirections) {
    const DirectionLoad& one = load.of[direction];
    const double occupied = Occupied(direction, one.mean_bytes());
    second_moment += one.operations_per_second * occupied * occupied;
  }
  // Beyond 1 more servers don't make it worse.
  return second_moment * std::pow(std::min(utilisation, 1.0), exponent_) * Congestion(utilisation);
}

DeviceLatency DeviceCurve::At(const DeviceLoad& load) const {
  DeviceLatency latency;
  latency.utilisation_ratio = Utilisation(load);
  const double queue = Queue(load);
  const double wait_p99 = 1 + parameters_[kWaitTail];
  for (const size_t direction : kDiskDirections) {
    const double bytes = load.of[direction].mean_bytes();
    const double wait = Parameter(direction, kWait) * queue;
    const double crowded = Crowded(direction, latency.utilisation_ratio);
    latency.mean_seconds[direction] = Service(direction, bytes) * crowded + wait;
    latency.p99_seconds[direction] = ServiceP99(direction, bytes) * crowded + wait_p99 * wait;
  }
  return latency;
}

double DeviceCurve::MeanSeen(size_t direction, const DeviceLoad& load, double in_flight_while_busy) const {
  const double utilisation = Utilisation(load);
  const double service =
      Service(direction, load.of[direction].mean_bytes()) * Crowded(direction, std::min(utilisation, 1.0));
  const double open = service + Parameter(direction, kWait) * Queue(load);
  const double rate = load.operations_per_second();
  if (rate <= 0) return open;
  // What the mean operation occupies.
  const double occupied = utilisation / rate;
  const double closed = std::max(service, in_flight_while_busy * occupied / std::min(1.0, std::max(utilisation, 1e-9)));
  return std::min(open, closed);
}

}  // namespace truce
