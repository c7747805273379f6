// Whether a series has a season, of what period, and what it adds at each phase. Pure.
#pragma once

#include <cstddef>
#include <vector>

#include "absl/types/span.h"

namespace truce {

struct Season {
  size_t period = 0;  // 0 for none
  // The share of the variation within a period that other periods foretell, 0 to 1.
  double strength = 0;
  explicit operator bool() const { return period > 0; }
};

// Tests each period (>= 2, at least two of them in the series): what is left after a moving average over one period is
// foretold, phase by phase, from the other periods (leave-one-out). A season is there when that explains at least a
// fifth (a weaker one does more harm when it is wrong than good when it is right), and when the means of the phases
// differ more than they would by chance: an F test at 1 % whose degrees of freedom are reduced by the autocorrelation
// of what is left (Bartlett, JRSS Supplement 8, 1946). The strongest is returned, a shorter one when it is about as
// strong, none when there is none: a season that is forced onto a series without one does harm. Only the newest 14
// periods count. NaN are gaps. O(14 period^2) for each.
Season FindSeason(absl::Span<const double> values, absl::Span<const size_t> periods);

// The same without knowing the periods: tries where the autocorrelation peaks, of the newest 4,096 values and of the
// newest 16,384 thinned to as many, and asks for more certainty, as many periods were looked at. Finds periods up to a
// third of those, near enough.
Season FindSeason(absl::Span<const double> values);

// What a season adds at each phase; its mean is 0.
class SeasonProfile {
 public:
  SeasonProfile() = default;
  // The mean of each phase over the newest 14 periods, less what moves slowly (classical decomposition). With more than
  // 24 phases each mean rests on too little: neighbours are smoothed together, and what single phases have beyond that
  // is shrunk by how much of it noise alone would explain (Efron and Morris, JASA 68, 1973). No effect with period < 2.
  SeasonProfile(absl::Span<const double> values, size_t period);

  // `index` counts from the first value it was learned from.
  double At(size_t index) const { return profile_.empty() ? 0 : profile_[index % profile_.size()]; }
  size_t period() const { return profile_.size(); }

 private:
  std::vector<double> profile_;
};

}  // namespace truce
