// truce-lab evaluate anomalies: how well labelled anomalies are found, and how seldom quiet series alarm.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lab/anomaly/detectors.h"
#include "lab/anomaly/labelled.h"
#include "lab/anomaly/nab_score.h"
#include "lab/anomaly/quiet.h"
#include "src/base/figures.h"

namespace truce::lab {

// One detector under one profile.
struct AnomalyMarks {
  Detector detector = Detector::kTruce;
  std::string profile;
  // With the threshold that the benchmark's rules look for: the best one, knowing all labels.
  NabJudge::Marks best;
  // Normalised; each series with the threshold that is best for the others.
  double left_out = 0;
  // With AnomalyDetector::kThreshold; of Truce's only.
  NabJudge::Marks shipped;
};

struct QuietAlarms {
  std::string series;
  double weeks = 0;
  double alarms = 0;
  double AWeek() const { return weeks > 0 ? alarms / weeks : 0; }
};

struct AnomalyEvaluation {
  size_t series = 0;
  size_t values = 0;
  // By detector, then profile.
  std::vector<AnomalyMarks> marks;
  // Truce's alarms at its threshold outside of windows and probation, by series, and on made-up series, by kind.
  std::vector<QuietAlarms> outside;
  std::vector<QuietAlarms> made_up;
  double seconds_per_value = 0;
};

// The set below `directory`, see ReadLabelledSeries.
absl::StatusOr<AnomalyEvaluation> EvaluateAnomalies(const std::string& directory);

// Marks of `detector` on `series`, one for each profile.
std::vector<AnomalyMarks> JudgeDetector(Detector detector, const std::vector<LabelledSeries>& series);
// Alarms of Truce's detector on the parts of `series` that count and are in no window.
QuietAlarms AlarmsOutside(const LabelledSeries& series);
QuietAlarms AlarmsOnMadeUp(QuietKind kind, int weeks, int repeats);

// Tables for people, and the figures that have targets or may be compared.
void WriteAnomalyEvaluation(const AnomalyEvaluation& evaluation, std::ostream& out);
FigureTable AnomalyFigures(const AnomalyEvaluation& evaluation);

}  // namespace truce::lab
