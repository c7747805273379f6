// How unusual a value of a stream is, judged by the stream's own largest values so far. Pure.
#pragma once

#include <array>
#include <cstddef>

#include "models/anomaly/running_quantile.h"

namespace truce {

// The upper tail of one stream: peaks over a threshold that follows the stream, as Siffer et al. keep them (KDD 2017,
// "Anomaly detection in streams with extreme value theory"). What was seen often enough is counted; what was not is
// extrapolated, exponentially beyond the k-th largest peak with the mean excess over it (Weissman 1978). Several k are
// tried and the least alarming is taken, since noise and rare bursts are two tails with one threshold. Only the last
// peaks count, so it forgets. O(1) memory and time.
class Tail {
 public:
  // -log of the chance that a value of this stream reaches `value`; 0 at or below the threshold, and before the first
  // value. Not capped: how far an extrapolation may be trusted is the caller's to say.
  double Significance(double value) const;
  // Finite values only.
  void Add(double value);
  // Above this values are peaks.
  double threshold() const { return threshold_.value(); }

 private:
  // At 3 % of the values, the peaks of the last 2,100 values: a week at five minutes.
  static constexpr double kQuantile = 0.97;
  static constexpr size_t kPeaks = 64;
  void Keep(float peak);
  std::array<float, kPeaks> recent_{};  // a ring
  std::array<float, kPeaks> sorted_{};  // the same, largest first
  size_t peaks_ = 0;
  size_t next_ = 0;
  size_t seen_ = 0;
  // Share of the values that are peaks, of late.
  double rate_ = 0;
  // Mean distance from the threshold, of late.
  double spread_ = 0;
  RunningQuantile threshold_{kQuantile};
};

}  // namespace truce
