#include "lab/forecast/forecast_file.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/strings/str_format.h"
#include "lab/forecast/csv.h"
#include "lab/forecast/methods.h"
#include "lab/forecast/readings.h"
#include "lab/forecast/rolling.h"
#include "lab/forecast/series_file.h"
#include "src/base/atomic_file.h"
#include "src/base/clock.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

// Series whose lines are held at a time.
constexpr size_t kBatch = 16;
// A gap of more steps is a mistake in the times.
constexpr double kMostGap = 1e6;

// One series that is long enough: what it learns from, and the rest.
struct Subject {
  NamedReadings input;
  Grid grid;
  Series history;
};

struct SeriesOutput {
  std::string lines;
  size_t forecasts = 0;
  double fit_seconds = 0;
  double forecast_seconds = 0;
};

absl::Status CheckOptions(const ForecastFileOptions& options) {
  TRUCE_RETURN_IF_ERROR(CheckRequest(options.horizon, options.quantiles));
  if (options.train_until < 2) {
    return absl::InvalidArgumentError("--train-until: at least 2 values must be learned from");
  }
  if (options.stride < 1) return absl::InvalidArgumentError("--stride is at least 1");
  std::error_code error;
  if (std::filesystem::equivalent(options.input, options.output, error)) {
    return absl::InvalidArgumentError(StrCat("--output ", options.output, " would replace the input; choose another"));
  }
  return absl::OkStatus();
}

// The grid too is known from what is learned from alone, so that nothing later can change a forecast.
absl::StatusOr<Subject> MakeSubject(NamedReadings input, size_t train_until) {
  const auto training = absl::MakeConstSpan(input.readings).first(train_until);
  TRUCE_ASSIGN_OR_RETURN(const Grid grid, FindGrid(input.series, training));
  TRUCE_ASSIGN_OR_RETURN(Series history, SnapOntoGrid(input.series, grid, training));
  return Subject{std::move(input), grid, std::move(history)};
}

void AppendForecast(const std::string& series, double origin, const Forecast& forecast, std::string* lines) {
  const std::string begin = StrCat(CsvField(series), ",", NumberText(origin), ",");
  for (size_t step = 0; step < forecast.steps; ++step) {
    StrAppend(lines, begin, step + 1);
    for (size_t i = 0; i < forecast.quantiles.size(); ++i) {
      absl::StrAppendFormat(lines, ",%.9g", forecast.Value(step, i));
    }
    *lines += '\n';
  }
}

// A recursion may grow beyond all numbers.
absl::Status CheckForecast(const std::string& model, double origin, const Forecast& forecast) {
  const bool sound =
      std::all_of(forecast.values.begin(), forecast.values.end(), [](double value) { return std::isfinite(value); });
  if (sound) return absl::OkStatus();
  return absl::InvalidArgumentError(StrCat(model, " can't follow these values: from t = ", NumberText(origin),
                                           " on it grows beyond all numbers; choose another --model, or fewer steps"));
}

// Takes in the reading, and what is missing before it; `index` is the grid's point of the value before.
absl::Status Observe(const Subject& subject, const TimedValue& reading, double* index, Forecaster* forecaster) {
  const double next = subject.grid.IndexOf(reading.seconds);
  if (next - *index > kMostGap) {
    return absl::InvalidArgumentError(StrCat("line ", reading.line, ": series '", subject.input.series, "' jumps ",
                                             NumberText(next - *index), " steps to t = ", NumberText(reading.seconds),
                                             "; is t given in seconds on each line?"));
  }
  // The first of several that share a point counts.
  if (next <= *index) return absl::OkStatus();
  for (double missing = *index + 1; missing < next; ++missing) {
    forecaster->Observe(std::numeric_limits<double>::quiet_NaN());
  }
  forecaster->Observe(reading.value);
  *index = next;
  return absl::OkStatus();
}

absl::StatusOr<SeriesOutput> ForecastSeries(const Subject& subject, const ForecastFileOptions& options,
                                            const Clock& clock, Forecaster* forecaster) {
  SeriesOutput output;
  const absl::Duration begin = clock.Monotonic();
  TRUCE_RETURN_IF_ERROR(forecaster->Fit(subject.history.values));
  const absl::Duration fitted = clock.Monotonic();
  const std::vector<TimedValue>& readings = subject.input.readings;
  double index = static_cast<double>(subject.history.values.size()) - 1;
  for (size_t known = options.train_until; known <= readings.size(); ++known) {
    const TimedValue& newest = readings[known - 1];
    if (known > options.train_until) TRUCE_RETURN_IF_ERROR(Observe(subject, newest, &index, forecaster));
    if ((known - options.train_until) % options.stride != 0) continue;
    TRUCE_ASSIGN_OR_RETURN(const Forecast forecast, forecaster->Predict(options.horizon, options.quantiles));
    TRUCE_RETURN_IF_ERROR(CheckForecast(options.model, newest.seconds, forecast));
    AppendForecast(subject.input.series, newest.seconds, forecast, &output.lines);
    ++output.forecasts;
  }
  output.fit_seconds = absl::ToDoubleSeconds(fitted - begin);
  output.forecast_seconds = absl::ToDoubleSeconds(clock.Monotonic() - fitted);
  return output;
}

// A factory for each spacing there is, from the histories of the series that have it.
absl::StatusOr<std::map<double, MakeForecaster>> Prepare(const ForecastMethod& method, size_t horizon,
                                                         const std::vector<Subject>& subjects) {
  std::map<double, std::vector<Series>> histories;
  for (const Subject& subject : subjects) {
    std::vector<Series>& alike = histories[subject.grid.spacing_seconds];
    if (method.pooled) alike.push_back(subject.history);
  }
  std::map<double, MakeForecaster> makers;
  for (const auto& [spacing, series] : histories) {
    Others others(series);
    auto maker = method.prepare({horizon, spacing}, others);
    if (!maker.ok()) return WithContext(maker.status(), method.name);
    makers[spacing] = *std::move(maker);
  }
  return makers;
}

std::string Header(const std::vector<double>& quantiles) {
  std::string header = "series,origin,h";
  for (const double quantile : quantiles) StrAppend(&header, ",q", NumberText(quantile));
  return header + "\n";
}

}  // namespace

absl::StatusOr<ForecastFileSummary> ForecastFile(const ForecastFileOptions& options) {
  TRUCE_RETURN_IF_ERROR(CheckOptions(options));
  TRUCE_ASSIGN_OR_RETURN(const ForecastMethod* const method, FindForecastMethod(options.model));
  TRUCE_ASSIGN_OR_RETURN(std::vector<NamedReadings> inputs, ReadSeriesFile(options.input));
  const Clock& clock = SystemClock();
  const absl::Duration begin = clock.Monotonic();
  ForecastFileSummary summary;
  std::vector<Subject> subjects;
  for (NamedReadings& input : inputs) {
    if (input.readings.size() < options.train_until) {
      summary.too_short.push_back(input.series);
      continue;
    }
    auto subject = MakeSubject(std::move(input), options.train_until);
    if (!subject.ok()) return WithContext(subject.status(), options.input);
    subjects.push_back(*std::move(subject));
  }
  if (subjects.empty()) {
    return absl::FailedPreconditionError(
        StrCat(options.input, ": no series has the ", options.train_until, " values that --train-until asks for"));
  }
  summary.series = subjects.size();
  TRUCE_ASSIGN_OR_RETURN(const auto makers, Prepare(*method, options.horizon, subjects));
  TRUCE_ASSIGN_OR_RETURN(const auto file, AtomicFile::Create(options.output, 0644, IfExists::kReplace));
  TRUCE_RETURN_IF_ERROR(file->Write(Header(options.quantiles)));
  for (size_t first = 0; first < subjects.size(); first += kBatch) {
    std::vector<SeriesOutput> outputs(std::min(kBatch, subjects.size() - first));
    TRUCE_RETURN_IF_ERROR(InParallel(outputs.size(), options.threads, [&](size_t i) -> absl::Status {
      const Subject& subject = subjects[first + i];
      const std::unique_ptr<Forecaster> forecaster = makers.at(subject.grid.spacing_seconds)();
      auto output = ForecastSeries(subject, options, clock, forecaster.get());
      if (!output.ok()) return WithContext(output.status(), StrCat("series '", subject.input.series, "'"));
      outputs[i] = *std::move(output);
      return absl::OkStatus();
    }));
    for (const SeriesOutput& output : outputs) {
      TRUCE_RETURN_IF_ERROR(file->Write(output.lines));
      summary.forecasts += output.forecasts;
      summary.fit_seconds += output.fit_seconds;
      summary.forecast_seconds += output.forecast_seconds;
    }
  }
  TRUCE_RETURN_IF_ERROR(file->Commit());
  summary.wall_seconds = absl::ToDoubleSeconds(clock.Monotonic() - begin);
  return summary;
}

}  // namespace truce::lab
