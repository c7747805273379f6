#include "lab/forecast/tasks.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/types/span.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

constexpr double kWeekSeconds = 7 * 24 * 3600;
constexpr size_t kPlanetLabStride = 4;

bool AnyKnown(absl::Span<const double> values) {
  return std::any_of(values.begin(), values.end(), [](double value) { return !std::isnan(value); });
}

// Where the time that is judged begins: the last week, at most a quarter of the series.
size_t JudgedFrom(const Series& series) {
  const size_t week = static_cast<size_t>(kWeekSeconds / series.spacing_seconds);
  return series.values.size() - std::min(week, series.values.size() / 4);
}

// The series from `begin` to `end`.
Series Part(const Series& series, size_t begin, size_t end) {
  return {series.name,
          series.TimeOf(begin),
          series.spacing_seconds,
          {series.values.begin() + static_cast<ptrdiff_t>(begin), series.values.begin() + static_cast<ptrdiff_t>(end)}};
}

// The three weeks before the judged time, then that time.
size_t LearnedFrom(const Series& series, size_t judged_from) {
  const size_t weeks = static_cast<size_t>(3 * kWeekSeconds / series.spacing_seconds);
  return judged_from - std::min(judged_from, weeks);
}

void Judge(const Series& series, size_t begin, size_t judged_from, ForecastFold* fold, size_t* left_out) {
  JudgedSeries judged{Part(series, begin, series.values.size()), judged_from - begin};
  const absl::Span<const double> values = judged.series.values;
  if (AnyKnown(values.first(judged.training)) && AnyKnown(values.subspan(judged.training))) {
    fold->judged.push_back(std::move(judged));
  } else {
    ++*left_out;
  }
}

// Judges those series of the recording for which `judge` says so; learns from the others.
template <typename Judges>
ForecastFold SplitByTime(const Recording& recording, const Judges& judge, size_t* left_out) {
  ForecastFold fold;
  for (size_t i = 0; i < recording.series.size(); ++i) {
    const Series& series = recording.series[i];
    const size_t judged_from = JudgedFrom(series);
    const size_t begin = LearnedFrom(series, judged_from);
    if (judge(i)) {
      Judge(series, begin, judged_from, &fold, left_out);
    } else {
      fold.others.push_back(Part(series, begin, judged_from));
    }
  }
  return fold;
}

ForecastFold SplitByDay(std::vector<Recording> days, size_t* left_out) {
  ForecastFold fold;
  const size_t held_out = std::max<size_t>(1, days.size() / 4);
  for (size_t day = 0; day < days.size(); ++day) {
    std::vector<Series>& series = days[day].series;
    if (day + held_out < days.size()) {
      std::move(series.begin(), series.end(), std::back_inserter(fold.others));
      continue;
    }
    for (size_t i = 0; i < series.size(); i += kPlanetLabStride) {
      Judge(series[i], 0, series[i].values.size() * 3 / 4, &fold, left_out);
    }
  }
  return fold;
}

// Keeps `limit` of them, evenly spread.
void Thin(size_t limit, std::vector<JudgedSeries>* judged) {
  if (limit >= judged->size()) return;
  std::vector<JudgedSeries> kept;
  for (size_t i = 0; i < limit; ++i) kept.push_back(std::move((*judged)[i * judged->size() / limit]));
  *judged = std::move(kept);
}

absl::Status CheckSpacings(ForecastTask* task) {
  for (const ForecastFold& fold : task->folds) {
    for (const JudgedSeries& judged : fold.judged) {
      const double spacing = judged.series.spacing_seconds;
      if (task->spacing_seconds == 0) task->spacing_seconds = spacing;
      if (std::abs(spacing - task->spacing_seconds) > 0.01 * spacing) {
        return absl::InvalidArgumentError(StrCat("series '", judged.series.name, "' has its values ", spacing,
                                                 " s apart, others of its set ", task->spacing_seconds));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

size_t ForecastTask::Judged() const {
  size_t count = 0;
  for (const ForecastFold& fold : folds) count += fold.judged.size();
  return count;
}

absl::StatusOr<std::vector<ForecastTask>> ForecastTasks(std::string_view set, std::vector<Recording> recordings,
                                                        size_t series_limit) {
  std::vector<ForecastTask> tasks;
  const auto task_of = [&](const Recording& recording) {
    return &tasks.emplace_back(ForecastTask{std::string(set), recording.target, recording.unit, 0, {}, 0});
  };
  if (set == "planetlab" && !recordings.empty()) {
    ForecastTask* task = task_of(recordings[0]);
    task->folds.push_back(SplitByDay(std::move(recordings), &task->left_out));
  } else {
    for (Recording& recording : recordings) {
      ForecastTask* task = task_of(recording);
      if (set == "bitbrains") {
        task->folds.push_back(SplitByTime(
            recording, [](size_t i) { return i % 5 < 3; }, &task->left_out));
      } else {
        for (const size_t odd : {0, 1}) {
          task->folds.push_back(SplitByTime(
              recording, [odd](size_t i) { return i % 2 == odd; }, &task->left_out));
        }
      }
      recording.series.clear();
    }
  }
  for (ForecastTask& task : tasks) {
    const size_t folds = task.folds.size();
    if (series_limit > 0) {
      for (size_t i = 0; i < folds; ++i) Thin(series_limit / folds + (i < series_limit % folds), &task.folds[i].judged);
    }
    if (task.Judged() == 0) {
      return absl::InvalidArgumentError(StrCat(set, ", ", task.target, ": no series is long enough to be judged"));
    }
    TRUCE_RETURN_IF_ERROR(CheckSpacings(&task));
  }
  return tasks;
}

}  // namespace truce::lab
