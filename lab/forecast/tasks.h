// What of a published set is forecast, and what is learned from: nothing that is judged is ever learned from. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "lab/forecast/datasets.h"
#include "models/forecast/series.h"

namespace truce::lab {

// A series whose values from `training` on are judged, each by what came before it. Methods fit on those before.
struct JudgedSeries {
  Series series;
  size_t training = 0;
};

// Series that are judged by what was learned from others.
struct ForecastFold {
  std::vector<JudgedSeries> judged;
  std::vector<Series> others;
};

struct ForecastTask {
  std::string set;
  std::string target;
  std::string unit;
  double spacing_seconds = 0;
  std::vector<ForecastFold> folds;
  // Series that should have been judged, but have nothing known to learn from or nothing to be judged by.
  size_t left_out = 0;

  size_t Judged() const;
};

// Tasks of `set` from its recordings:
// - planetlab: of the last quarter of the days (at least one) every fourth VM, trained on the first three quarters of
//   the day (18 h); others are all VMs of the days before.
// - bitbrains: three of every five VMs, the last week (at most a quarter of the series), trained on the three weeks
//   before; others are the rest of the VMs without that last week.
// - other sets: series of even and of odd places are judged in turn, times as for bitbrains; others are the other half,
//   without the times that are judged.
// At most `series_limit` judged series a task, evenly spread; 0: all. InvalidArgument when nothing is left to judge, or
// the series of a task have different spacings.
absl::StatusOr<std::vector<ForecastTask>> ForecastTasks(std::string_view set, std::vector<Recording> recordings,
                                                        size_t series_limit);

}  // namespace truce::lab
