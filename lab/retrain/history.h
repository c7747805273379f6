// What a demand model is retrained on: the series of a history, on one grid of steps, cut in two. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace truce::lab {

// Oldest first, NaN where nothing is known.
struct HistorySeries {
  std::string name;
  // Series of one workload have the same number here: they rise and fall together.
  size_t workload = 0;
  // Of the first value, in steps of the history.
  size_t begin = 0;
  std::vector<double> values;
};

struct History {
  double step_seconds = 0;
  size_t steps = 0;
  size_t workloads = 0;
  std::vector<HistorySeries> series;
};

// A file of the controller's (models/forecast/demand_history_file.h), or a CSV of series,t,value (lab/forecast/csv.h),
// each of whose series counts as a workload. Series without any value are left out. InvalidArgument or DataLoss, with
// `name`, for anything else, for series of a CSV that are not equally spaced, and when there is nothing in it.
absl::StatusOr<History> ParseHistory(std::string_view name, std::string_view bytes);

// The newest part, that no model was tuned on and both are judged by.
struct JudgedSpan {
  // In steps of the history.
  size_t begin = 0;
  size_t steps = 0;
  // Equal parts of it. What goes wrong at one time goes wrong for some time: parts are longer than the farthest
  // forecast, so that they may be taken for independent.
  size_t blocks = 0;

  size_t BlockOf(size_t step) const { return (step - begin) * blocks / steps; }
};
inline constexpr double kJudgedShare = 0.2;
inline constexpr size_t kLeastJudgedSteps = 96;
// FailedPrecondition when that is less than kLeastJudgedSteps.
absl::StatusOr<JudgedSpan> NewestSpan(const History& history);

}  // namespace truce::lab
