// Whether a challenger is better than a champion for sure. Pure.
#pragma once

#include <cstddef>

#include "absl/types/span.h"
#include "lab/retrain/losses.h"

namespace truce::lab {

struct Judgement {
  // Means over series.
  double champion_loss = 0;
  double challenger_loss = 0;
  // By which share of the champion's loss the challenger's is smaller.
  double gain_ratio = 0;
  // Of no gain at all, one-sided.
  double p_value = 1;
  size_t series = 0;
  size_t workloads = 0;
  bool better = false;
};

// Better is who errs less by at least this share, ...
inline constexpr double kLeastGain = 0.01;
// ... with so small a chance that it does not, ...
inline constexpr double kMostChance = 0.01;
// ... on at least so many workloads: fewer say too little of others, and of themselves at another time.
inline constexpr size_t kLeastJudgedWorkloads = 8;

// The p-value is that of a Student's t whose variance is clustered by workloads and by blocks of time, with the fewer
// of the two less one as its degrees of freedom (Cameron, Gelbach and Miller, "Robust Inference with Multiway
// Clustering", Journal of Business and Economic Statistics 29(2), 2011): what a workload has in common with itself at
// all times, and what all workloads have in common at one time, both count. Theirs takes off what is in both; this
// keeps it, and errs on the side of too much variance. Losses have the same number of blocks each.
Judgement Judge(absl::Span<const SeriesLosses> losses);

}  // namespace truce::lab
