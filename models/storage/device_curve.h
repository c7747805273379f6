// The curve of a disk's latency against its load, for given parameters.
//
//   latency = service(size) * (1 + crowding * utilisation) + wait(utilisation)     of reads and of writes, each its own
//   utilisation = sum over operations of (occupied + occupied_per_byte * bytes)
//
// The utilisation is the kernel's linear cost model of a disk (Documentation/admin-guide/cgroup-v2.rst, io.cost.model):
// an operation occupies the disk for a fixed time and for a time per byte; at 1 the disk can do no more. It does not
// tell random from sequential, which the kernel's statistics don't either. The wait is that of a queue before k servers
// that any operation may take: Sakasegawa's approximation for M/G/k (1977, "An approximation formula L_q = alpha *
// rho^beta / (1 - rho)", with beta = sqrt(2 (k + 1)) - 1), with the sum of rate * cost^2 in the place of the mean cost
// times the utilisation, as in Pollaczek and Khinchine's formula for M/G/1: so more reads or writes of the sizes that
// there are never shorten anybody's wait, not even small ones beside large ones. Close to 1 and beyond it, where no
// queue is ever in balance, 1 / (1 - rho) goes on as its tangent, so that all is finite and rises.
// What is shared on the way to the disk (CPUs, buses, interrupts that tell of several operations at once) makes the
// service itself longer the more comes by, long before there is a queue: a load-dependent service, here in the first
// order.
//
// The 99th percentile is that of the service plus a multiple of the wait; a wait that is exponentially
// distributed, as under heavy traffic (Kingman 1962), has ln(100) times its mean there.
#pragma once

#include <Eigen/Core>
#include <array>

#include "models/storage/device_load.h"

namespace truce {

// Logarithms of a curve's parameters, in this order: for reads, the same for writes, then what both share.
enum DeviceParameter : int {
  // Seconds of an operation of no bytes that is alone, and more per byte.
  kService = 0,
  kServicePerByte = 1,
  // How much of that time it occupies the disk: one that does k operations at once has about 1 / k.
  kOccupied = 2,
  kOccupiedPerByte = 3,
  // By how much the 99th percentile of one that is alone is above the mean, as a multiple of the mean.
  kTail = 4,
  // The factor of the wait.
  kWait = 5,
  // By how much the service is longer at a utilisation of 1, as a multiple.
  kCrowding = 6,
  kPerDirection = 7,
  // k - 1.
  kServers = 2 * kPerDirection,
  // By how much the 99th percentile of the wait is above the mean, as a multiple of the mean.
  kWaitTail = 2 * kPerDirection + 1,
  kDeviceParameters = 2 * kPerDirection + 2,
};
using DeviceVector = Eigen::Matrix<double, kDeviceParameters, 1>;
using DeviceMatrix = Eigen::Matrix<double, kDeviceParameters, kDeviceParameters>;

// Where the parameter of a direction is.
constexpr int ParameterOf(size_t direction, DeviceParameter parameter) {
  return static_cast<int>(direction) * kPerDirection + parameter;
}

struct DeviceLatency {
  // Of reads and writes; where there are none, what one would take.
  std::array<double, 2> mean_seconds{};
  std::array<double, 2> p99_seconds{};
  // 1 and more: the disk can't do that much.
  double utilisation_ratio = 0;
};

class DeviceCurve {
 public:
  explicit DeviceCurve(const DeviceVector& logarithms);

  // `load` is sound.
  double Utilisation(const DeviceLoad& load) const;
  // Seconds of the mean operation of that size that is alone.
  double Service(size_t direction, double bytes) const;
  // The same of the 99th percentile.
  double ServiceP99(size_t direction, double bytes) const;
  // When operations come by themselves, at random times. Neither falls when any rate rises at the same sizes.
  DeviceLatency At(const DeviceLoad& load) const;
  // Mean latency of a direction when the disk was seen to have `in_flight_while_busy` operations at once: whoever waits
  // for an answer before it asks again never queues behind more than those. Then latency is no more than max(service,
  // in flight * occupied), the bound of operational analysis (Denning and Buzen 1978, section 5), for a disk as busy.
  double MeanSeen(size_t direction, const DeviceLoad& load, double in_flight_while_busy) const;

 private:
  double Parameter(size_t direction, DeviceParameter parameter) const {
    return parameters_[ParameterOf(direction, parameter)];
  }
  // Seconds that the mean operation of a direction occupies the disk.
  double Occupied(size_t direction, double bytes) const;
  // By what the service is longer than alone.
  double Crowded(size_t direction, double utilisation) const;
  // Mean wait, but for the factor of the direction.
  double Queue(const DeviceLoad& load) const;

  DeviceVector parameters_;
  // Of the utilisation, in the wait.
  double exponent_;
};

}  // namespace truce
