#include "agent/sense/disk_interval.h"

#include <algorithm>

namespace truce::agent {

std::optional<DeviceObservation> ObserveBetween(const host::DiskStats& before, const host::DiskStats& after,
                                                absl::Duration elapsed) {
  if (elapsed <= absl::ZeroDuration() || before.device != after.device) return std::nullopt;
  const double seconds = absl::ToDoubleSeconds(elapsed);
  DeviceObservation seen;
  for (const size_t direction : kDiskDirections) {
    if (after.operations[direction] < before.operations[direction] ||
        after.bytes[direction] < before.bytes[direction] ||
        after.milliseconds[direction] < before.milliseconds[direction]) {
      return std::nullopt;
    }
    const auto operations = static_cast<double>(after.operations[direction] - before.operations[direction]);
    if (operations == 0) continue;
    const auto bytes = static_cast<double>(after.bytes[direction] - before.bytes[direction]);
    const auto milliseconds = static_cast<double>(after.milliseconds[direction] - before.milliseconds[direction]);
    seen.operations[direction] = operations;
    seen.load.of[direction] = {operations / seconds, bytes / seconds};
    seen.mean_seconds[direction] = milliseconds * 1e-3 / operations;
  }
  if (after.busy_milliseconds < before.busy_milliseconds || after.queue_milliseconds < before.queue_milliseconds) {
    return std::nullopt;
  }
  const auto busy = static_cast<double>(after.busy_milliseconds - before.busy_milliseconds);
  const auto queued = static_cast<double>(after.queue_milliseconds - before.queue_milliseconds);
  if (seen.load.operations_per_second() > 0) {
    // Not less than one while there is any: the kernel counts time in which a disk was busy by whole ticks of its
    // clock.
    seen.in_flight_while_busy = busy > 0 ? std::max(1.0, queued / busy) : 1;
  }
  return seen;
}

}  // namespace truce::agent
