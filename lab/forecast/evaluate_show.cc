// How an evaluation of forecasts is shown: tables for a person, figures for programs and checks.
#include <algorithm>
#include <cmath>
#include <optional>
#include <ostream>

#include "absl/strings/str_format.h"
#include "lab/forecast/evaluate.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

// What kOwnMethod must reach. Where `target` is empty it is for each; steps 0: where there is no horizon.
constexpr double kPlanetLabMae = 5.6;
constexpr double kBitbrainsCpuMase = 1.8;
constexpr double kBitbrainsMemoryMase = 0.87;
constexpr double kPeakPinball = 1.15;
constexpr double kLeastUnder = 0.04;
constexpr double kMostUnder = 0.10;
constexpr double kRelativeMae = 1.05;
constexpr double kCoverageOff = 0.02;

std::optional<Target> MaseTarget(const TaskResult& task, size_t steps) {
  if (task.set != "bitbrains") return std::nullopt;
  if (task.target == "cpu" && steps == 12) return AtMost(kBitbrainsCpuMase);
  if (task.target == "memory" && steps == 1) return AtMost(kBitbrainsMemoryMase);
  return std::nullopt;
}

std::optional<Target> MaeTarget(const TaskResult& task, size_t steps) {
  return task.set == "planetlab" && steps == 1 ? std::optional(AtMost(kPlanetLabMae)) : std::nullopt;
}

void AddHorizon(const TaskResult& task, const MethodResult& method, const HorizonMarks& marks,
                std::vector<Figure>* figures) {
  const bool own = method.method == kOwnMethod;
  const auto add = [&](std::string_view what, double value, std::string_view unit, std::optional<Target> target) {
    figures->push_back({StrCat(task.set, " ", task.target, " h=", marks.steps, " ", what, ", ", method.method), value,
                        std::string(unit), std::nullopt, own ? target : std::nullopt});
  };
  add("mean MASE", marks.mean_mase, "", MaseTarget(task, marks.steps));
  add("median MASE", marks.median_mase, "", std::nullopt);
  add("MAE", marks.mae, task.unit, MaeTarget(task, marks.steps));
  add("MAE against naive", marks.relative_mae, "x", AtMost(kRelativeMae));
  add("coverage of p95", marks.coverage, "ratio", std::nullopt);
  add("coverage of p95, off by", marks.CoverageOff(), "ratio", AtMost(kCoverageOff));
}

void AddPeakAndTimes(const TaskResult& task, const MethodResult& method, std::vector<Figure>* figures) {
  // The peaks that capacity is bought for; those of other targets are reported.
  const bool judged = method.method == kOwnMethod && task.set == "bitbrains" && task.target == "cpu";
  const auto add = [&](std::string_view what, double value, std::string_view unit, std::optional<Target> target) {
    figures->push_back({StrCat(task.set, " ", task.target, " ", what, ", ", method.method), value, std::string(unit),
                        std::nullopt, judged ? target : std::nullopt});
  };
  add("pinball of the next hour's peak", method.marks.peak_pinball, "naive errors", AtMost(kPeakPinball));
  add("peaks under-predicted", method.marks.peaks_under, "ratio", AtMost(kMostUnder));
  if (judged) add("peaks under-predicted, no fewer", method.marks.peaks_under, "ratio", AtLeast(kLeastUnder));
  add("time per fit", method.marks.fit_seconds, "s", std::nullopt);
  add("time per forecast", method.marks.forecast_seconds, "s", std::nullopt);
}

}  // namespace

void WriteForecastEvaluation(const ForecastEvaluation& evaluation, std::ostream& out) {
  out << evaluation.machine << "\n";
  for (const std::string& missing : evaluation.missing) out << "not evaluated: " << missing << "\n";
  for (const TaskResult& task : evaluation.tasks) {
    out << "\n"
        << task.set << " " << task.target << ", " << task.judged << " series, every "
        << absl::StrFormat("%g", task.spacing_seconds) << " s";
    if (task.without_scale > 0) out << "; " << task.without_scale << " never changed in training: no MASE, no pinball";
    if (task.left_out > 0) out << "; " << task.left_out << " more have nothing to learn from or to be judged by";
    size_t width = 6;
    for (const MethodResult& method : task.methods) width = std::max(width, method.method.size());
    const int name_width = static_cast<int>(width);
    out << "\n" << absl::StrFormat("%-*s", name_width, "METHOD");
    for (const HorizonMarks& marks :
         task.methods.empty() ? std::vector<HorizonMarks>() : task.methods[0].marks.horizons) {
      out << absl::StrFormat("  %9s %6s %9s %6s %6s", StrCat("h=", marks.steps, " MASE"), "median", "MAE", "/naive",
                             "<=p95");
    }
    out << absl::StrFormat("  %9s %6s  %9s %9s\n", "PEAK LOSS", "under", "FIT ms", "STEP us");
    for (const MethodResult& method : task.methods) {
      out << absl::StrFormat("%-*s", name_width, method.method);
      for (const HorizonMarks& marks : method.marks.horizons) {
        out << absl::StrFormat("  %9.3f %6.3f %9.4g %6.3f %6.3f", marks.mean_mase, marks.median_mase, marks.mae,
                               marks.relative_mae, marks.coverage);
      }
      out << absl::StrFormat("  %9.3f %6.3f  %9.3f %9.2f\n", method.marks.peak_pinball, method.marks.peaks_under,
                             1e3 * method.marks.fit_seconds, 1e6 * method.marks.forecast_seconds);
    }
  }
  out << R"(
h: steps ahead. MASE: mean absolute error over what naive errs by in training; mean and median over series. MAE in the
series' unit. /naive: MAE over naive's, geometric mean over series. <=p95: share of values not above the 0.95-quantile;
more than 0.95 is right where that is itself a value that comes often, such as 0.
Peak: of the next hour; pinball loss of its 0.95-quantile, scaled as MASE, and the share of peaks above it. Fit: once
a series; step: a forecast and the values taken in since the one before.

)";
}

FigureTable ForecastFigures(const ForecastEvaluation& evaluation, WhichFigures which) {
  FigureTable table;
  for (const TaskResult& task : evaluation.tasks) {
    for (const MethodResult& method : task.methods) {
      std::vector<Figure> figures;
      for (const HorizonMarks& marks : method.marks.horizons) AddHorizon(task, method, marks, &figures);
      AddPeakAndTimes(task, method, &figures);
      for (Figure& figure : figures) {
        if (which == WhichFigures::kAll || figure.target.has_value()) table.Add(std::move(figure));
      }
    }
  }
  return table;
}

}  // namespace truce::lab
