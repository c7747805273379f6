// Forecasts of a task from one origin after another, as an agent would have made them.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lab/forecast/measures.h"
#include "lab/forecast/methods.h"
#include "lab/forecast/tasks.h"
#include "src/base/clock.h"

namespace truce::lab {

struct RollingSetting {
  // In steps, ascending; errors and coverage are measured there.
  std::vector<size_t> horizons = {1, 12};
  // The peak is that of so many steps.
  size_t peak_steps = 12;
  // Values from one origin to the next.
  size_t stride = 1;

  size_t MostSteps() const;
};

// Fits on the training values of `judged`, then forecasts at each origin and observes what comes, to the end; nothing
// is fitted again. Where fewer values are left than a horizon needs, that horizon is over. Errors of the method come
// with the name of the series.
absl::StatusOr<SeriesSums> Roll(const JudgedSeries& judged, const RollingSetting& setting, const Clock& clock,
                                Forecaster* forecaster);

// Calls `work` with 0 .. count - 1 from so many threads. The first error ends it.
absl::Status InParallel(size_t count, int threads, const std::function<absl::Status(size_t)>& work);

// The others of each fold of a task, in their order. Shared by the methods that are judged on the task, so that what
// two of them learn alike is learned once.
using FoldOthers = std::deque<Others>;
FoldOthers OthersOf(const ForecastTask& task);

// Rolls `method` over all judged series of the task, fold by fold: learns from the fold's others first, and takes no
// others' time for a fit. In the order of the folds and their series. `others` are those of the task.
absl::StatusOr<std::vector<SeriesSums>> RollTask(const ForecastTask& task, const ForecastMethod& method,
                                                 const RollingSetting& setting, int threads, FoldOthers& others);

}  // namespace truce::lab
