// How much more a disk would take. Pure.
#pragma once

#include <optional>

#include "models/storage/device_belief.h"

namespace truce {

// Factors on the present load, at the same mix and sizes. The disk's 99th percentile is taken of reads and writes
// apart, where there are any, and the one that doubles first counts. Beyond what a disk can do a queue grows without
// end, so no factor is above that which uses it fully.
struct DeviceHeadroom {
  // At which it is twice that of the unloaded disk; less than 1 where it has doubled already.
  double until_doubled_unloaded = 0;
  // At which it is twice that of now; 1 or more, or that which uses the disk fully where it is used more already.
  double until_doubled_now = 0;
  // Standard deviations of their logarithms: how unsure the parameters leave them. What fits badly is not in them.
  double spread_unloaded = 0;
  double spread_now = 0;
};

// nullopt where nothing is asked of the disk: nothing times any factor is nothing. `load` is sound.
std::optional<DeviceHeadroom> HeadroomOf(const DeviceBelief& belief, const DeviceLoad& load);

}  // namespace truce
