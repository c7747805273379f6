// truce-bench forecast: what a step of a series costs, a new value taken in and the next 12 forecast, with each layer
// of the demand forecast alone and with all of them as an agent has them; and what refits and memory cost.
#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "models/forecast/auto_forecaster.h"
#include "models/forecast/best_of.h"
#include "models/forecast/demand_batch.h"
#include "models/forecast/demand_model_file.h"
#include "models/forecast/methods.h"
#include "src/base/status.h"
#include "src/host/file.h"
#include "tests/bench/bench.h"

namespace truce::bench {
namespace {

constexpr double kQuantiles[] = {0.5, 0.95};
constexpr size_t kAhead = 12;
// What an agent has to forecast.
constexpr double kAgentSeries = 1000 * 4;
constexpr double kAgentSeconds = 30;
constexpr double kMostPercent = 3;
// Values between two refits of a series in the long run (models/forecast/best_of.h).
constexpr double kStepsPerRefit = kRefitEvery;
constexpr size_t kRefitsTimed = 100;

// Four kinds in turn, no two alike: CPU that wanders about a level, memory that creeps and drops, disk that bursts,
// network with jobs by the clock.
std::vector<double> MakeSeries(size_t which, size_t count) {
  std::mt19937_64 random(which + 1);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> even;
  const double size = std::exp(2 * normal(random));
  const size_t period = 10 + random() % 90;
  std::vector<double> values;
  double state = 0;
  for (size_t i = 0; i < count; ++i) {
    double value = 0;
    switch (which % 4) {
      case 0:
        state = 0.9 * state + normal(random);
        value = std::max(0.0, 5 + state);
        break;
      case 1:
        state = even(random) < 0.01 ? 0 : state + 0.05 + 0.1 * even(random);
        value = 20 + state;
        break;
      case 2:
        state = even(random) < 0.05 ? 30 * even(random) : 0.5 * state;
        value = state + 0.2 * even(random);
        break;
      default:
        value = (i % period < period / 5 ? 8 : 1) + 0.3 * std::abs(normal(random));
    }
    values.push_back(size * value);
  }
  return values;
}

double Microseconds(absl::Duration duration) {
  return absl::ToDoubleMicroseconds(duration);
}

struct Layer {
  std::string name;
  std::function<std::unique_ptr<Forecaster>()> make;
  // Whether the network's steps are made together.
  bool batched = false;
};

struct Costs {
  std::vector<double> step_us;
  std::vector<double> fit_us;
  double bytes = 0;
  double Mean() const {
    double sum = 0;
    for (const double one : step_us) sum += one;
    return sum / static_cast<double>(step_us.size());
  }
};

// Bytes that were asked of the allocator, with what it adds.
double BytesInUse() {
  const auto info = mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd);
}

using Forecasters = std::vector<std::unique_ptr<Forecaster>>;

absl::Status Tick(const std::vector<std::vector<double>>& series, size_t at, bool batched, const Clock& clock,
                  Forecasters* forecasters, Costs* costs) {
  std::vector<double> spent(series.size());
  const auto timed = [&](double* us, const auto& work) {
    const absl::Duration begin = clock.Monotonic();
    work();
    *us += Microseconds(clock.Monotonic() - begin);
  };
  for (size_t i = 0; i < series.size(); ++i) {
    timed(&spent[i], [&] { (*forecasters)[i]->Observe(series[i][at]); });
  }
  if (batched) {
    double together = 0;
    timed(&together, [&] {
      DemandBatch batch;
      for (const auto& forecaster : *forecasters) static_cast<LedForecaster&>(*forecaster).AddDueStep(&batch);
      batch.Run();
    });
    for (double& us : spent) us += together / static_cast<double>(series.size());
  }
  absl::Status status;
  for (size_t i = 0; i < series.size(); ++i) {
    timed(&spent[i], [&] { status.Update((*forecasters)[i]->Predict(kAhead, kQuantiles).status()); });
  }
  costs->step_us.insert(costs->step_us.end(), spent.begin(), spent.end());
  return status;
}

absl::StatusOr<Costs> Measure(const Layer& layer, const ForecastBenchOptions& options,
                              const std::vector<std::vector<double>>& series, const Surroundings& surroundings) {
  Costs costs;
  const double before = BytesInUse();
  Forecasters forecasters(series.size());
  const auto history = static_cast<size_t>(options.history);
  const Clock& clock = *surroundings.clock;
  for (size_t i = 0; i < series.size(); ++i) {
    if (surroundings.stop->load()) return absl::CancelledError("interrupted");
    forecasters[i] = layer.make();
    TRUCE_RETURN_IF_ERROR(forecasters[i]->Fit(absl::MakeConstSpan(series[i]).first(history)));
  }
  for (size_t at = history; at < series[0].size(); ++at) {
    if (surroundings.stop->load()) return absl::CancelledError("interrupted");
    TRUCE_RETURN_IF_ERROR(Tick(series, at, layer.batched, clock, &forecasters, &costs));
  }
  costs.bytes = (BytesInUse() - before) / static_cast<double>(series.size());
  for (size_t i = 0; i < std::min(kRefitsTimed, series.size()); ++i) {
    const absl::Duration begin = clock.Monotonic();
    forecasters[i]->Refit();
    costs.fit_us.push_back(Microseconds(clock.Monotonic() - begin));
  }
  return costs;
}

double Quantile(std::vector<double> values, double quantile) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(quantile * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

}  // namespace

absl::StatusOr<BenchResult> RunForecastBench(const ForecastBenchOptions& options, const Surroundings& surroundings) {
  TRUCE_ASSIGN_OR_RETURN(const std::string bytes, host::ReadFile(options.model));
  TRUCE_ASSIGN_OR_RETURN(DemandModelContent content, ParseDemandModel(bytes, options.model));
  const auto model = std::make_shared<const DemandModel>(std::move(content.model));
  std::vector<std::vector<double>> series;
  for (int i = 0; i < options.series; ++i) {
    series.push_back(MakeSeries(static_cast<size_t>(i), static_cast<size_t>(options.history + options.steps)));
  }
  const auto lstm = [&] { return NewDemandForecaster(model, 0); };
  const std::vector<Layer> layers = {{"naive", [] { return NewNaiveForecaster(); }},
                                     {"LSTM, one by one", lstm},
                                     {"LSTM, together", lstm, true},
                                     {"base",
                                      [] {
                                        return NewBaseForecaster({SeasonRule::Kind::kNone, {}});
                                      }},
                                     {"auto",
                                      [&] {
                                        return NewAutoForecaster(model, 0, {SeasonRule::Kind::kNone, {}});
                                      },
                                      true}};
  BenchResult result;
  result.notes.push_back(absl::StrCat(options.series, " made-up series; each step takes a value in and forecasts ",
                                      kAhead, " steps; ", options.steps, " steps after a history of ",
                                      options.history));
  for (const Layer& layer : layers) {
    TRUCE_ASSIGN_OR_RETURN(const Costs costs, Measure(layer, options, series, surroundings));
    const auto add = [&](std::string_view what, double value, std::string_view unit,
                         std::optional<Target> target = {}) {
      result.table.Add(
          {absl::StrCat(layer.name, ": ", std::string(what)), value, std::string(unit), std::nullopt, target});
    };
    const double mean = costs.Mean();
    add("series a second", 1e6 / mean, "1/s");
    add("step, mean", mean, "us");
    add("step, p99", Quantile(costs.step_us, 0.99), "us");
    add("memory of a series", costs.bytes, "bytes");
    if (layer.name != "auto") continue;
    double refit = 0;
    for (const double us : costs.fit_us) refit += us / static_cast<double>(costs.fit_us.size());
    add("refit, mean", refit / 1000, "ms");
    add("refit, longest", Quantile(costs.fit_us, 1) / 1000, "ms");
    const double each = mean + refit / kStepsPerRefit;
    add("step, mean, with its share of refits", each, "us");
    result.table.Add({"1,000 workloads x 4 resources every 30 s, of one core",
                      100 * each * kAgentSeries / 1e6 / kAgentSeconds, "%", std::nullopt, AtMost(kMostPercent)});
  }
  return result;
}

}  // namespace truce::bench
