// One instant on both clocks. Every room of the controller is handed the time and never asks for it.
#pragma once

#include "absl/time/time.h"
#include "src/base/clock.h"

namespace truce::controller {

struct Moment {
  // For what people read and what goes over the wire.
  absl::Time wall;
  // For intervals and deadlines: never goes back or jumps.
  absl::Duration monotonic;
};

inline Moment MomentOf(const Clock& clock) {
  return {clock.Now(), clock.Monotonic()};
}

}  // namespace truce::controller
