// truce-lab evaluate forecast: how well the next minutes and hour are told, on published traces, beside other methods.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lab/forecast/measures.h"
#include "lab/forecast/tasks.h"
#include "src/base/figures.h"

namespace truce::lab {

struct EvaluateForecastsOptions {
  // What holds the sets, a folder each.
  std::string directory;
  // Empty: all that are there. One that is asked for must be there.
  std::vector<std::string> sets;
  // Empty: all of ForecastMethods(), or all targets of a set.
  std::vector<std::string> methods;
  std::vector<std::string> targets;
  // Most series judged for each set and target; 0: all.
  size_t series_limit = 0;
  // Values from one origin to the next.
  size_t stride = 1;
  int threads = 2;
};

struct MethodResult {
  std::string method;
  MethodMarks marks;
};
struct TaskResult {
  std::string set;
  std::string target;
  std::string unit;
  double spacing_seconds = 0;
  size_t judged = 0;
  // Series that couldn't be judged, and those of the judged that have no scale (measures.h).
  size_t left_out = 0;
  size_t without_scale = 0;
  // In the order of ForecastMethods().
  std::vector<MethodResult> methods;
};
struct ForecastEvaluation {
  std::string machine;
  // Sets that are not there, each with the reason.
  std::vector<std::string> missing;
  std::vector<TaskResult> tasks;
};

// Progress goes to `progress`. InvalidArgument for names that there are not; NotFound when a set that was asked for, or
// every one, is not there. One set is in memory at a time.
absl::StatusOr<ForecastEvaluation> EvaluateForecasts(const EvaluateForecastsOptions& options, std::ostream& progress);

// Judges `methods` (indices into ForecastMethods()) on one task.
absl::StatusOr<TaskResult> EvaluateTask(const ForecastTask& task, const std::vector<size_t>& methods, size_t stride,
                                        int threads, std::ostream& progress);

// Tables for a person.
void WriteForecastEvaluation(const ForecastEvaluation& evaluation, std::ostream& out);

// The method whose figures have targets: Truce's own.
inline constexpr char kOwnMethod[] = "auto";
// Figures of every method, or of those with a target alone: kOwnMethod's, where it is among the methods.
enum class WhichFigures { kAll, kWithTarget };
FigureTable ForecastFigures(const ForecastEvaluation& evaluation, WhichFigures which);

}  // namespace truce::lab
