// What a disk did between two looks at its counters. Pure; for whoever watches disks.
#pragma once

#include <optional>

#include "absl/time/time.h"
#include "models/storage/device_load.h"
#include "src/host/disk_stats.h"

namespace truce::agent {

// nullopt when no time passed or a counter went back: the device is another one of that name, or a counter wrapped,
// which those of time do every 50 days of waiting. The next interval is whole again.
std::optional<DeviceObservation> ObserveBetween(const host::DiskStats& before, const host::DiskStats& after,
                                                absl::Duration elapsed);

}  // namespace truce::agent
