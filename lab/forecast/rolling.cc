#include "lab/forecast/rolling.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {

size_t RollingSetting::MostSteps() const {
  return std::max(peak_steps, horizons.empty() ? 0 : horizons.back());
}

absl::StatusOr<SeriesSums> Roll(const JudgedSeries& judged, const RollingSetting& setting, const Clock& clock,
                                Forecaster* forecaster) {
  const absl::Span<const double> values = judged.series.values;
  const double quantiles[] = {0.5, kHighQuantile};
  SeriesSums sums;
  sums.horizons.resize(setting.horizons.size());
  const absl::Duration begin = clock.Monotonic();
  const absl::Status fitted = forecaster->Fit(values.first(judged.training));
  if (!fitted.ok()) return WithContext(fitted, judged.series.name);
  const absl::Duration ready = clock.Monotonic();
  sums.fit_seconds = absl::ToDoubleSeconds(ready - begin);
  for (size_t origin = judged.training; origin < values.size(); ++origin) {
    if ((origin - judged.training) % setting.stride == 0) {
      const auto forecast = forecaster->Predict(setting.MostSteps(), quantiles);
      if (!forecast.ok()) return WithContext(forecast.status(), judged.series.name);
      ++sums.forecasts;
      const absl::Span<const double> rest = values.subspan(origin);
      AddErrors(*forecast, rest, setting.horizons, &sums);
      // The peak of fewer steps would be another, easier one.
      if (rest.size() >= setting.peak_steps) AddPeak(*forecast, rest.first(setting.peak_steps), &sums);
    }
    forecaster->Observe(values[origin]);
  }
  sums.forecast_seconds = absl::ToDoubleSeconds(clock.Monotonic() - ready);
  return sums;
}

absl::Status InParallel(size_t count, int threads, const std::function<absl::Status(size_t)>& work) {
  std::atomic<size_t> next = 0;
  absl::Mutex mutex;
  absl::Status first;
  const auto worker = [&] {
    for (size_t i = next++; i < count; i = next++) {
      absl::Status status = work(i);
      if (status.ok()) continue;
      next = count;
      const absl::MutexLock lock(&mutex);
      if (first.ok()) first = std::move(status);
    }
  };
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(worker);
  worker();
  for (std::thread& other : others) other.join();
  return first;
}

FoldOthers OthersOf(const ForecastTask& task) {
  FoldOthers others;
  for (const ForecastFold& fold : task.folds) others.emplace_back(fold.others);
  return others;
}

absl::StatusOr<std::vector<SeriesSums>> RollTask(const ForecastTask& task, const ForecastMethod& method,
                                                 const RollingSetting& setting, int threads, FoldOthers& others) {
  std::vector<SeriesSums> all;
  for (size_t i = 0; i < task.folds.size(); ++i) {
    const ForecastFold& fold = task.folds[i];
    const auto make = method.prepare({setting.MostSteps(), task.spacing_seconds}, others[i]);
    if (!make.ok()) return WithContext(make.status(), method.name);
    const size_t before = all.size();
    all.resize(before + fold.judged.size());
    const absl::Status status = InParallel(fold.judged.size(), threads, [&](size_t series) -> absl::Status {
      const std::unique_ptr<Forecaster> forecaster = (*make)();
      TRUCE_ASSIGN_OR_RETURN(all[before + series], Roll(fold.judged[series], setting, SystemClock(), forecaster.get()));
      return absl::OkStatus();
    });
    if (!status.ok()) return WithContext(status, method.name);
  }
  return all;
}

}  // namespace truce::lab
