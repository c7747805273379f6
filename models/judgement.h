// How good predictions are: rank, size and calibration, and how sure that is. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace truce {

// Area under the ROC curve: the chance that a positive gets a higher score than a negative, ties counting half (Mann
// and Whitney 1947). NaN when there are no positives or no negatives.
double Auc(const std::vector<double>& scores, const std::vector<bool>& positive);

// Mean of (probability - outcome)^2 (Brier 1950). NaN for none.
double BrierScore(const std::vector<double>& probabilities, const std::vector<bool>& positive);

// Mean of |a - b|. NaN for none.
double MeanAbsoluteError(const std::vector<double>& predicted, const std::vector<double>& measured);

// Rank correlation, ties getting their mean rank (Spearman 1904). NaN with fewer than two values or when all are equal.
double SpearmanCorrelation(const std::vector<double>& a, const std::vector<double>& b);

struct Interval {
  double low = 0;
  double high = 0;
};

// 95 % percentile bootstrap (Efron 1979) of `statistic` over whole groups: `groups[i]` names the group of item i, and
// groups are drawn with replacement, since items of a group are not independent. `statistic` gets the positions drawn;
// draws for which it is NaN are left out. NaNs when there is no group.
Interval BootstrapInterval(const std::vector<size_t>& groups,
                           const std::function<double(const std::vector<size_t>& positions)>& statistic, int draws,
                           uint64_t seed);

}  // namespace truce
