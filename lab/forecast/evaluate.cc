#include "lab/forecast/evaluate.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <ostream>
#include <utility>

#include "lab/forecast/datasets.h"
#include "lab/forecast/methods.h"
#include "lab/forecast/rolling.h"
#include "src/base/clock.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

constexpr char kNaive[] = "naive";

bool Contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

absl::Status CheckSets(const std::vector<std::string>& sets) {
  for (const std::string& set : sets) {
    if (Contains(ForecastSets(), set)) continue;
    std::string names;
    for (const std::string& one : ForecastSets()) StrAppend(&names, names.empty() ? "" : ", ", one);
    return absl::InvalidArgumentError(StrCat("there is no reader of a set '", set, "'; there are ", names));
  }
  return absl::OkStatus();
}

// Indices of the methods that are asked for.
absl::StatusOr<std::vector<size_t>> ChosenMethods(const std::vector<std::string>& names) {
  for (const std::string& name : names) TRUCE_RETURN_IF_ERROR(FindForecastMethod(name).status());
  std::vector<size_t> chosen;
  for (size_t i = 0; i < ForecastMethods().size(); ++i) {
    if (names.empty() || Contains(names, ForecastMethods()[i].name)) chosen.push_back(i);
  }
  return chosen;
}

// Whether a task has series for a pooled method to learn from.
bool HasOthers(const ForecastTask& task) {
  return std::all_of(task.folds.begin(), task.folds.end(),
                     [](const ForecastFold& fold) { return fold.judged.empty() || !fold.others.empty(); });
}

// The tasks of `set` that are asked for.
absl::StatusOr<std::vector<ForecastTask>> ReadTasks(const std::string& set, const EvaluateForecastsOptions& options) {
  TRUCE_ASSIGN_OR_RETURN(std::vector<Recording> recordings, ReadForecastSet(set, options.directory));
  if (!options.targets.empty()) {
    std::erase_if(recordings, [&](const Recording& one) { return !Contains(options.targets, one.target); });
  }
  return ForecastTasks(set, std::move(recordings), options.series_limit);
}

}  // namespace

absl::StatusOr<TaskResult> EvaluateTask(const ForecastTask& task, const std::vector<size_t>& methods, size_t stride,
                                        int threads, std::ostream& progress) {
  RollingSetting setting;
  setting.peak_steps = MethodSetting{.spacing_seconds = task.spacing_seconds}.StepsPerHour();
  setting.stride = stride;
  TaskResult result{task.set, task.target, task.unit, task.spacing_seconds, task.Judged(), task.left_out, 0, {}};
  std::vector<double> scales;
  for (const ForecastFold& fold : task.folds) {
    for (const JudgedSeries& judged : fold.judged) {
      const absl::Span<const double> values = judged.series.values;
      scales.push_back(NaiveError(values.first(judged.training)));
      result.without_scale += !(scales.back() > 0);
    }
  }
  FoldOthers others = OthersOf(task);
  TRUCE_ASSIGN_OR_RETURN(const ForecastMethod* const reference, FindForecastMethod(kNaive));
  TRUCE_ASSIGN_OR_RETURN(const std::vector<SeriesSums> naive, RollTask(task, *reference, setting, threads, others));
  Progress steps(&progress, &SystemClock(), static_cast<int>(methods.size()));
  for (const size_t index : methods) {
    const ForecastMethod& method = ForecastMethods()[index];
    steps.Step(StrCat(task.set, " ", task.target, ", ", method.name));
    if (method.pooled && !HasOthers(task)) {
      progress << method.name << " is left out: there are no other series of " << task.set << " to learn from\n";
      continue;
    }
    std::vector<SeriesSums> sums;
    if (&method == reference) {
      sums = naive;
    } else {
      TRUCE_ASSIGN_OR_RETURN(sums, RollTask(task, method, setting, threads, others));
    }
    result.methods.push_back({method.name, MarksOf(sums, naive, scales, setting.horizons)});
  }
  return result;
}

absl::StatusOr<ForecastEvaluation> EvaluateForecasts(const EvaluateForecastsOptions& options, std::ostream& progress) {
  TRUCE_RETURN_IF_ERROR(CheckSets(options.sets));
  TRUCE_ASSIGN_OR_RETURN(const std::vector<size_t> methods, ChosenMethods(options.methods));
  ForecastEvaluation evaluation;
  evaluation.machine = DescribeMachine();
  for (const std::string& set : options.sets.empty() ? ForecastSets() : options.sets) {
    progress << "reading " << set << std::endl;
    auto tasks = ReadTasks(set, options);
    if (absl::IsNotFound(tasks.status()) && options.sets.empty()) {
      evaluation.missing.push_back(StrCat(set, ": ", StdView(tasks.status().message())));
      continue;
    }
    if (!tasks.ok()) return WithContext(tasks.status(), set);
    for (const ForecastTask& task : *tasks) {
      auto result = EvaluateTask(task, methods, options.stride, options.threads, progress);
      if (!result.ok()) return WithContext(result.status(), StrCat(task.set, " ", task.target));
      evaluation.tasks.push_back(*std::move(result));
    }
  }
  if (!evaluation.tasks.empty()) return evaluation;
  std::string why;
  for (const std::string& missing : evaluation.missing) StrAppend(&why, "; ", missing);
  return absl::NotFoundError(
      StrCat("there is nothing to evaluate in ", options.directory, ": no set has what was asked for", why));
}

}  // namespace truce::lab
