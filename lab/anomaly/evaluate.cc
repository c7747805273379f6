#include "lab/anomaly/evaluate.h"

#include <algorithm>
#include <ostream>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "models/anomaly/anomaly_detector.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

constexpr double kWeekSeconds = 7 * 86400;
constexpr double kLeastScore = 55;
constexpr double kMostAlarmsAWeek = 1;
constexpr int kMadeUpWeeks = 8;
constexpr int kMadeUpRepeats = 10;

bool InWindow(const LabelledSeries& series, size_t index) {
  return std::any_of(series.windows.begin(), series.windows.end(),
                     [&](const AnomalyWindow& window) { return window.first <= index && index <= window.last; });
}

// Normalised score where each series is judged by the threshold that is best for all others.
double LeaveOneOut(const std::vector<NabSeries>& all, const NabProfile& profile) {
  double raw = 0;
  size_t windows = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    std::vector<NabSeries> others = all;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
    const double threshold = NabJudge(others, profile).Best().threshold;
    const NabJudge::Marks marks = NabJudge({&all[i], 1}, profile).At(threshold);
    raw += marks.raw;
    windows += marks.windows;
  }
  return NabJudge::Normalise(raw, windows, profile);
}

QuietAlarms Sum(const std::vector<QuietAlarms>& parts) {
  QuietAlarms sum;
  for (const QuietAlarms& part : parts) {
    sum.weeks += part.weeks;
    sum.alarms += part.alarms;
  }
  return sum;
}

}  // namespace

std::vector<AnomalyMarks> JudgeDetector(Detector detector, const std::vector<LabelledSeries>& series) {
  std::vector<std::vector<double>> scores;
  std::vector<NabSeries> scored;
  for (size_t i = 0; i < series.size(); ++i) scores.push_back(Score(detector, series[i], i + 1));
  for (size_t i = 0; i < series.size(); ++i) scored.push_back({scores[i], series[i].windows});
  std::vector<AnomalyMarks> marks;
  for (const NabProfile& profile : NabProfiles()) {
    const NabJudge judge(scored, profile);
    marks.push_back(
        {detector, profile.name, judge.Best(), LeaveOneOut(scored, profile), judge.At(AnomalyDetector::kThreshold)});
  }
  return marks;
}

QuietAlarms AlarmsOutside(const LabelledSeries& series) {
  QuietAlarms quiet;
  quiet.series = series.name;
  const std::vector<double> scores = Score(Detector::kTruce, series, 0);
  for (size_t i = std::max<size_t>(1, NabProbation(scores.size())); i < scores.size(); ++i) {
    if (InWindow(series, i)) continue;
    quiet.weeks += std::max(0.0, series.seconds[i] - series.seconds[i - 1]) / kWeekSeconds;
    if (scores[i] >= AnomalyDetector::kThreshold) ++quiet.alarms;
  }
  return quiet;
}

QuietAlarms AlarmsOnMadeUp(QuietKind kind, int weeks, int repeats) {
  QuietAlarms quiet;
  quiet.series = std::string(QuietName(kind));
  quiet.weeks = weeks * repeats;
  for (int repeat = 0; repeat < repeats; ++repeat) {
    AnomalyDetector detector;
    double seconds = 0;
    for (const double value : QuietSeries(kind, weeks, static_cast<uint64_t>(repeat + 1))) {
      if (detector.Observe(seconds, value) >= AnomalyDetector::kThreshold) ++quiet.alarms;
      seconds += kQuietSpacingSeconds;
    }
  }
  return quiet;
}

absl::StatusOr<AnomalyEvaluation> EvaluateAnomalies(const std::string& directory) {
  TRUCE_ASSIGN_OR_RETURN(const std::vector<LabelledSeries> series, ReadLabelledSeries(directory));
  AnomalyEvaluation evaluation;
  evaluation.series = series.size();
  for (const Detector detector : Detectors()) {
    for (AnomalyMarks& marks : JudgeDetector(detector, series)) evaluation.marks.push_back(std::move(marks));
  }
  const absl::Time begin = absl::Now();
  for (const LabelledSeries& one : series) {
    evaluation.values += one.values.size();
    evaluation.outside.push_back(AlarmsOutside(one));
  }
  evaluation.seconds_per_value =
      absl::ToDoubleSeconds(absl::Now() - begin) / static_cast<double>(std::max<size_t>(1, evaluation.values));
  for (const QuietKind kind : QuietKinds()) {
    evaluation.made_up.push_back(AlarmsOnMadeUp(kind, kMadeUpWeeks, kMadeUpRepeats));
  }
  return evaluation;
}

void WriteAnomalyEvaluation(const AnomalyEvaluation& evaluation, std::ostream& out) {
  out << absl::StrFormat("%d series, %d values\n\n", evaluation.series, evaluation.values);
  out << absl::StrFormat("%-18s %-19s %6s %9s %7s %6s %9s\n", "DETECTOR", "PROFILE", "BEST", "THRESHOLD", "FOUND",
                         "FALSE", "LEFT OUT");
  for (const AnomalyMarks& marks : evaluation.marks) {
    out << absl::StrFormat("%-18s %-19s %6.1f %9.4g %3d/%-3d %6d %9.1f\n", AbslView(DetectorName(marks.detector)),
                           marks.profile, marks.best.normalised, marks.best.threshold, marks.best.windows_found,
                           marks.best.windows, marks.best.false_positives, marks.left_out);
  }
  out << "\nBest: with the threshold that is best for these labels, as the benchmark scores. Left out: each series "
         "with\n"
         "the threshold that is best for the others.\n\n";
  out << absl::StrFormat("%-46s %6s %7s %7s\n", "TRUCE'S ALARMS OUTSIDE OF WINDOWS", "WEEKS", "ALARMS", "A WEEK");
  for (const QuietAlarms& quiet : evaluation.outside) {
    out << absl::StrFormat("%-46s %6.2f %7g %7.2f\n", quiet.series, quiet.weeks, quiet.alarms, quiet.AWeek());
  }
  out << "\n";
}

FigureTable AnomalyFigures(const AnomalyEvaluation& evaluation) {
  FigureTable table;
  for (const AnomalyMarks& marks : evaluation.marks) {
    const std::string name = StrCat(DetectorName(marks.detector), ", ", marks.profile);
    if (marks.detector == Detector::kTruce) {
      Figure shipped{StrCat(name, ", shipped threshold"), marks.shipped.normalised, "of 100"};
      if (marks.profile == NabProfiles().front().name) shipped.target = AtLeast(kLeastScore);
      table.Add(shipped);
    }
    table.Add({StrCat(name, ", best threshold"), marks.best.normalised, "of 100"});
    table.Add({StrCat(name, ", left out"), marks.left_out, "of 100"});
  }
  const QuietAlarms outside = Sum(evaluation.outside);
  table.Add({"alarms outside of windows", outside.AWeek(), "a week", {}, AtMost(kMostAlarmsAWeek)});
  for (const QuietAlarms& quiet : evaluation.made_up) {
    table.Add(
        {StrCat("alarms on quiet series, ", quiet.series), quiet.AWeek(), "a week", {}, AtMost(kMostAlarmsAWeek)});
  }
  table.Add({"time for a value", 1e6 * evaluation.seconds_per_value, "us"});
  return table;
}

}  // namespace truce::lab
