#include "models/storage/device_belief.h"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <array>
#include <cmath>

namespace truce {
namespace {

struct Prior {
  DeviceParameter parameter;
  // Typical value, and the standard deviation of its logarithm.
  double typical;
  double deviation;
};

// Flash disks answer within tens of microseconds, spinning ones within ten milliseconds. The wait is half of the
// formula's where nothing varies and many times as long where operations come or are done in batches.
constexpr std::array<Prior, kPerDirection> kOfDirection = {{
    {kService, 300e-6, 1.5},
    {kServicePerByte, 2e-9, 1.2},
    {kOccupied, 1.0 / 8, 1.5},
    {kOccupiedPerByte, 1.0 / 4, 1.2},
    {kTail, 1.5, 0.8},
    {kWait, 1, 1.5},
    {kCrowding, 0.3, 1.5},
}};
// ln(100) - 1, of an exponential wait, is 3.6.
constexpr std::array<Prior, 2> kShared = {{{kServers, 7, 1.5}, {kWaitTail, 3.6, 0.4}}};

constexpr double kMostDeviations = 6;
constexpr double kDifference = 1e-5;

}  // namespace

DeviceBelief DeviceBelief::OfAnyDisk() {
  DeviceBelief belief;
  belief.covariance.setZero();
  const auto set = [&belief](int index, const Prior& prior) {
    belief.mean[index] = std::log(prior.typical);
    belief.covariance(index, index) = prior.deviation * prior.deviation;
  };
  for (const size_t direction : kDiskDirections) {
    for (const Prior& prior : kOfDirection) set(ParameterOf(direction, prior.parameter), prior);
  }
  for (const Prior& prior : kShared) set(prior.parameter, prior);
  return belief;
}

DeviceVector WithinReason(const DeviceVector& logarithms) {
  static const DeviceBelief any = DeviceBelief::OfAnyDisk();
  DeviceVector within = logarithms;
  for (int i = 0; i < kDeviceParameters; ++i) {
    const double room = kMostDeviations * std::sqrt(any.covariance(i, i));
    within[i] = std::isfinite(within[i]) ? std::clamp(within[i], any.mean[i] - room, any.mean[i] + room) : any.mean[i];
  }
  return within;
}

bool DeviceBelief::IsSound() const {
  if (!mean.allFinite() || !covariance.allFinite()) return false;
  if ((WithinReason(mean) - mean).cwiseAbs().maxCoeff() > 1e-9) return false;
  if ((covariance - covariance.transpose()).cwiseAbs().maxCoeff() > 1e-9) return false;
  // Wider than any disk's, twice over, says nothing and overflows.
  const DeviceBelief any = OfAnyDisk();
  for (int i = 0; i < kDeviceParameters; ++i) {
    if (covariance(i, i) > 4 * any.covariance(i, i)) return false;
  }
  return Eigen::SelfAdjointEigenSolver<DeviceMatrix>(covariance, Eigen::EigenvaluesOnly).eigenvalues().minCoeff() >
         -1e-9;
}

DeviceVector Gradient(const std::function<double(const DeviceVector&)>& function, const DeviceVector& at) {
  DeviceVector gradient;
  DeviceVector moved = at;
  for (int i = 0; i < kDeviceParameters; ++i) {
    moved[i] = at[i] + kDifference;
    const double above = function(moved);
    moved[i] = at[i] - kDifference;
    const double below = function(moved);
    moved[i] = at[i];
    gradient[i] = (above - below) / (2 * kDifference);
    if (!std::isfinite(gradient[i])) gradient[i] = 0;
  }
  return gradient;
}

double Spread(const DeviceBelief& belief, const std::function<double(const DeviceVector&)>& function) {
  const DeviceVector gradient = Gradient(function, belief.mean);
  return std::sqrt(std::max(0.0, gradient.dot(belief.covariance * gradient)));
}

}  // namespace truce
