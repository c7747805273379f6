#include "models/storage/headroom.h"

#include <algorithm>
#include <cmath>

namespace truce {
namespace {

// Less than one operation in 100 s is none.
constexpr double kLeastOperationsPerSecond = 0.01;
constexpr double kLeastFactor = 1e-9;

// Where the first direction's 99th percentile is `times` what it is at the load times `from` (0: unloaded), as a factor
// of the load.
double DoublingFactor(const DeviceCurve& curve, const DeviceLoad& load, double from) {
  const double full = 1 / std::max(curve.Utilisation(load), 1e-300);
  std::array<double, 2> bound{};
  const DeviceLatency start = curve.At(load.Times(from));
  for (const size_t direction : kDiskDirections) {
    const DirectionLoad& one = load.of[direction];
    // Nothing times 0 has no size, so that the unloaded disk is asked by itself.
    bound[direction] = 2 * (from > 0 ? start.p99_seconds[direction] : curve.ServiceP99(direction, one.mean_bytes()));
  }
  const auto is_within = [&](double factor) {
    const DeviceLatency latency = curve.At(load.Times(factor));
    return std::all_of(kDiskDirections.begin(), kDiskDirections.end(), [&](size_t direction) {
      return load.of[direction].operations_per_second <= 0 || latency.p99_seconds[direction] < bound[direction];
    });
  };
  if (is_within(full)) return full;
  // Bisection on the logarithm: latency never falls with the factor.
  double low = std::log(kLeastFactor) + std::log(full);
  double high = std::log(full);
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (is_within(std::exp(middle)) ? low : high) = middle;
  }
  return std::exp((low + high) / 2);
}

}  // namespace

std::optional<DeviceHeadroom> HeadroomOf(const DeviceBelief& belief, const DeviceLoad& load) {
  if (load.operations_per_second() < kLeastOperationsPerSecond) return std::nullopt;
  const auto logarithm = [&load](double from) {
    return [&load, from](const DeviceVector& at) { return std::log(DoublingFactor(DeviceCurve(at), load, from)); };
  };
  DeviceHeadroom headroom;
  headroom.until_doubled_unloaded = std::exp(logarithm(0)(belief.mean));
  headroom.until_doubled_now = std::exp(logarithm(1)(belief.mean));
  headroom.spread_unloaded = Spread(belief, logarithm(0));
  headroom.spread_now = Spread(belief, logarithm(1));
  return headroom;
}

}  // namespace truce
