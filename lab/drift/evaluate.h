// truce-lab drift: how soon a change of behaviour is found, how seldom unchanged programs alarm, and how well earlier
// episodes tell what demand does next. Deterministic.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lab/drift/stream.h"
#include "src/base/figures.h"

namespace truce::lab {

struct DriftOptions {
  // Of each life, unchanged.
  double days = 1;
  // Changes of one program for another.
  int changes = 2000;
  uint64_t seed = 1;
};

// A life that is long enough to be drawn from.
struct DriftLife {
  std::string program;
  std::vector<DriftReport> reports;
  std::vector<DriftReport> at_thrice_the_load;
};

// One change after half an hour of usual ways.
struct InjectedChange {
  std::string from;
  std::string to;
  // The trait that differs most: by a difference of logarithms of its mean.
  double most_different = 0;
  // Alarmed before there was a change.
  bool alarmed_before = false;
  // From the change on; missing when it was not found in two minutes.
  std::optional<double> found_after_seconds;
};

struct DriftEvaluation {
  size_t lives = 0;
  // Unchanged.
  double workload_days = 0;
  int alarms = 0;
  // By program, those that alarmed.
  std::vector<std::pair<std::string, int>> alarms_by_program;
  // Of one program by another, and of a load by three times as much.
  std::vector<InjectedChange> replaced;
  std::vector<InjectedChange> scaled;
  // Of predictions for episodes that were seen before: |predicted - true| over true, of what demand became.
  std::vector<double> prediction_errors;
  double seconds_per_report = 0;
};

// Lives with at least 40 reports, from the data set `file`. NotFound when it or they are missing.
absl::StatusOr<std::vector<DriftLife>> ReadDriftLives(const std::string& file);
DriftEvaluation EvaluateDrift(const std::vector<DriftLife>& lives, const DriftOptions& options);

void WriteDriftEvaluation(const DriftEvaluation& evaluation, std::ostream& out);
FigureTable DriftFigures(const DriftEvaluation& evaluation);

// One change, on its own; for tests too.
InjectedChange InjectChange(const std::vector<DriftReport>& from, const std::vector<DriftReport>& to, uint64_t seed);

}  // namespace truce::lab
