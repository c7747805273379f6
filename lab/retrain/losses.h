// What two models' forecasts of the same series cost, side by side. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "lab/forecast/methods.h"
#include "lab/retrain/history.h"

namespace truce::lab {

// Quantiles that are judged: what is usual, and what capacity is sized by.
inline constexpr std::array<double, 2> kJudgedQuantiles = {0.5, 0.95};
// One forecast of a horizon counts for at most so many of naive's losses, so that no single spike decides.
inline constexpr double kMostLoss = 50;

// Mean quantile losses of one series by block of the judged span, over naive's: each model's sum over all blocks is its
// loss. Naive says that the newest value stays.
struct SeriesLosses {
  size_t workload = 0;
  std::vector<double> champion;
  std::vector<double> challenger;
};

// Series by series from each step of the span on, at all horizons of demand (models/forecast/demand_horizons.h);
// forecasters fit on what came before the span and observe what comes in it. Left out are series of which nothing is
// known before or within the span, and those on which naive never errs. Errors are those of the forecasters.
absl::StatusOr<std::vector<SeriesLosses>> CompareLosses(const History& history, const JudgedSpan& span,
                                                        const MakeForecaster& champion,
                                                        const MakeForecaster& challenger, int threads);

}  // namespace truce::lab
