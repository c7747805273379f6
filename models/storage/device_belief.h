// What is held of a disk's curve: its parameters, and how sure each is. Pure; made by fit.h, moved by refine.h.
#pragma once

#include <functional>

#include "models/storage/device_curve.h"

namespace truce {

struct DeviceBelief {
  // Logarithms of the parameters.
  DeviceVector mean;
  DeviceMatrix covariance;

  // What is held of a disk that nobody has seen: anything from a fast flash disk to a slow spinning one.
  static DeviceBelief OfAnyDisk();
  // Whether all is finite, no parameter is where no disk is, and the covariance is one.
  bool IsSound() const;
  DeviceCurve curve() const { return DeviceCurve(mean); }
};

// Keeps parameters within six standard deviations of what any disk has, so that nothing overflows.
DeviceVector WithinReason(const DeviceVector& logarithms);

// Derivative by each parameter of `function` at `at`, by central differences; what is not finite is 0.
DeviceVector Gradient(const std::function<double(const DeviceVector&)>& function, const DeviceVector& at);

// Standard deviation of a function of the parameters, by the delta method.
double Spread(const DeviceBelief& belief, const std::function<double(const DeviceVector&)>& function);

}  // namespace truce
