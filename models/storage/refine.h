// Moves what is held of a disk's curve by what is seen of the disk in use: an interval at a time, for months. One
// owner, one thread.
#pragma once

#include <cstdint>

#include "absl/time/time.h"
#include "models/storage/device_belief.h"

namespace truce {

// A step of an extended Kalman filter (Jazwinski 1970, ch. 8) for each interval and direction, on the logarithm of the
// mean latency. It forgets only in the direction that is being observed (Kulhavy and Karny 1984, "Tracking of slowly
// varying parameters by directional forgetting"): a disk that is lightly used for a year is not said to have an unknown
// capacity because of it. Surprises pull no harder than what is barely usual (Huber's weights), so that a few bad
// intervals don't matter to what was measured; but a disk that is surprising the same way for minutes has changed, and
// is learned anew where it shows.
class DeviceRefiner {
 public:
  // Of what a new observation is told, an hour ago weighs 1 / e.
  static constexpr absl::Duration kMemory = absl::Hours(1);
  // Fewer operations than this in an interval say nothing.
  static constexpr double kLeastOperations = 8;

  // How it stands: all that has to be kept of it.
  struct State {
    DeviceBelief belief = DeviceBelief::OfAnyDisk();
    // Intervals that were learned from.
    uint64_t observed = 0;
    // Share of the last intervals (faded, with sign) that were surprisingly slow, by direction: -1 to 1.
    std::array<double, 2> surprise{};
  };

  explicit DeviceRefiner(State state) : state_(std::move(state)) {}

  // Intervals that make no sense (not finite, negative, no time) are left out; false then, and when nothing was in it
  // to learn from. `outside_seconds` is what the curve counts and the kernel does not see, by direction.
  bool Observe(const DeviceObservation& seen, absl::Duration interval, const std::array<double, 2>& outside_seconds);

  const State& state() const { return state_; }
  // The disk has been another one for minutes than what is held of it.
  bool has_changed() const;

 private:
  void Learn(size_t direction, const DeviceObservation& seen, absl::Duration interval, double outside_seconds);

  State state_;
};

}  // namespace truce
