// Figures of a predictor over judged examples, with their bootstrap intervals.
#pragma once

#include <string>
#include <vector>

#include "lab/learn/folds.h"
#include "models/judgement.h"

namespace truce::lab {

struct Estimate {
  double value = 0;
  Interval interval;
};

struct Marks {
  // Of "slowed by 5 % or more".
  Estimate auc;
  Estimate brier;
  // Mean absolute error of the slowdown, as a fraction of the time alone.
  Estimate error;
  // Rank correlation of predicted and measured slowdown over the meetings of a victim, averaged over victims that have
  // an order: four meetings, not all measured alike. What is said of a meeting more than once counts by its mean.
  Estimate rank;
  // Measured slowdowns, each of which is judged at several moments and by one or two models.
  size_t labels = 0;
};

// Groups of meetings are drawn whole (InterferenceExample::group), for the rank victims. `draws` bootstrap samples.
Marks MarksOf(const std::vector<Judged>& judged, int draws, uint64_t seed);

// How often predictions with a probability within one of ten equal ranges came true.
struct CalibrationBin {
  double predicted = 0;
  double happened = 0;
  size_t count = 0;
};
std::vector<CalibrationBin> CalibrationBins(const std::vector<Judged>& judged);

}  // namespace truce::lab
