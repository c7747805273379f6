// Stretches of a bout, and what they say of a victim. Pure.
#pragma once

#include <vector>

#include "absl/time/time.h"
#include "lab/meter.h"

namespace truce::lab {

// A victim that takes at most so many times as long as alone is well (design: protected).
inline constexpr double kProtectedFactor = 1.3;

struct BoutWindow {
  absl::Time begin;
  absl::Time end;
  // The victim's seconds per operation alone at that time.
  double alone_pace = 0;
};

// Seconds per operation of those that ended within; NaN when none did.
double Pace(const Meter& meter, absl::Time begin, absl::Time end);
// In all of the windows together, by one of Meter's ways to count.
Performance Over(const Meter& meter, const std::vector<BoutWindow>& windows,
                 Performance (Meter::*count)(absl::Time, absl::Time) const);
// The windows' lengths in sum.
double Seconds(const std::vector<BoutWindow>& windows);
// Seconds from `onset` to the first window from which on the victim is well in at least 4 of 5 windows, with 4 windows
// or more left to see that; negative: never.
double SecondsToProtect(const Meter& meter, absl::Time onset, const std::vector<BoutWindow>& windows);

}  // namespace truce::lab
