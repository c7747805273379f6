// How good anomaly scores are, by the rules of the Numenta Anomaly Benchmark (Lavin and Ahmad 2015, "Evaluating
// real-time anomaly detection algorithms", section II, and the scoring of its later releases). Pure.
//
// Within a labelled window only the best detection counts, and the earlier the better; none at all costs. Each point
// at or above the threshold outside of windows costs, less just after a window. The first part of a series is
// probation: nothing there counts.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace truce::lab {

// What things are worth in one profile.
struct NabProfile {
  std::string name;
  double true_positive = 1;
  double false_positive = 0.11;
  double false_negative = 1;
};
// standard, reward_low_FP_rate, reward_low_FN_rate.
const std::vector<NabProfile>& NabProfiles();

// Points `first` to `last`, both included.
struct AnomalyWindow {
  size_t first = 0;
  size_t last = 0;
};

// Points of a series of `length` that don't count: 15 % of it, at most 750.
size_t NabProbation(size_t length);

// 2 / (1 + exp(5 x)) - 1, and -1 for x > 3: the worth of a detection at `x`, -1 the beginning of a window, 0 its end.
double NabSigmoid(double x);

// One series: its scores, one a point, none NaN, and its windows, ascending and apart.
struct NabSeries {
  absl::Span<const double> scores;
  absl::Span<const AnomalyWindow> windows;
};

// A point that counts.
struct NabPoint {
  double score = 0;
  // The window that the point is in, counted over all series; kNoWindow outside.
  size_t window = 0;
  // What a detection here is worth.
  double worth = 0;
};
inline constexpr size_t kNoWindow = static_cast<size_t>(-1);

// A set of series under one profile, ready to be judged at any threshold.
class NabJudge {
 public:
  NabJudge(absl::Span<const NabSeries> series, const NabProfile& profile);

  struct Marks {
    double threshold = 0;
    // Sum of what detections are worth, and what was missed.
    double raw = 0;
    // 0 for a detector that never detects, 100 for one that detects each window at its first point and nothing else.
    // NaN when no window counts.
    double normalised = 0;
    // That don't end in probation.
    size_t windows = 0;
    size_t windows_found = 0;
    // Points at or above the threshold outside of windows.
    size_t false_positives = 0;
  };
  // Detections are scores >= `threshold`.
  Marks At(double threshold) const;
  // The threshold, among the scores that there are, that gives the best; above all of them when nothing is better than
  // no detection.
  Marks Best() const;
  // `raw` on the scale of Marks::normalised; for sums over sets, `windows` of them.
  static double Normalise(double raw, size_t windows, const NabProfile& profile);

 private:
  NabProfile profile_;
  // By score, highest first.
  std::vector<NabPoint> points_;
  std::vector<size_t> counted_;
  // With those that end in probation.
  size_t windows_ = 0;
};

}  // namespace truce::lab
