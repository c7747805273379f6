// Refits of many forecasters, in turn and within a budget: called by whoever owns them, once a tick. Pure but for the
// clock.
#pragma once

#include <cstddef>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "models/forecast/forecaster.h"
#include "src/base/clock.h"

namespace truce {

// One thread's. `clock` outlives it.
class Refits {
 public:
  // `budget` is what a call of Run may cost, over many calls: one fit may take longer than that, and as much less is
  // spent afterwards. What was not used is kept for later, up to ten budgets.
  Refits(const Clock* clock, absl::Duration budget) : clock_(clock), budget_(budget) {}

  // Refits those that want it (Forecaster::WantsRefit), going on after the one that was the last in the call before,
  // each at most once, while there is budget. Returns how many. `forecasters` should keep their order from call to
  // call; none is null.
  size_t Run(absl::Span<Forecaster* const> forecasters);

 private:
  const Clock* clock_;
  absl::Duration budget_;
  absl::Duration left_;
  size_t next_ = 0;
};

}  // namespace truce
