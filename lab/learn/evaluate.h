// truce-lab evaluate: how well slowdowns are told for programs that training never saw, beside what others do.
#pragma once

#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "lab/learn/scoring.h"
#include "src/base/figures.h"

namespace truce::lab {

struct EvaluateOptions {
  // The data set.
  std::string file;
  // Programs held out at a time.
  int held_out = 3;
  // Networks whose mean is judged.
  int networks = 1;
  int threads = 2;
  int bootstrap_draws = 500;
  uint64_t seed = 1;
  // A page with pictures is written here; empty: none.
  std::string html;
};

struct NamedMarks {
  std::string name;
  Marks marks;
};

struct Evaluation {
  std::string machine;
  size_t programs = 0;
  size_t meetings = 0;
  // Mean difference between two measurements of the same meeting; NaN when nothing was repeated.
  double noise_floor = 0;
  std::vector<NamedMarks> predictors;  // the first is ours
  std::vector<NamedMarks> moments;     // ours, by seconds after the meeting began
  std::vector<NamedMarks> masked;      // ours, without some readings
  std::vector<NamedMarks> novelty;     // ours, by who was new
  std::vector<NamedMarks> familiar;    // ours, by how familiar
  // Ours, for pictures.
  std::vector<Judged> judged;
  // What `judged` points into.
  std::vector<InterferenceExample> examples;
};

// Progress goes to `progress`. NotFound, DataLoss or InvalidArgument when the data set is not there, damaged or too small.
absl::StatusOr<Evaluation> Evaluate(const EvaluateOptions& options, std::ostream& progress);

// Tables for a person.
void WriteEvaluation(const Evaluation& evaluation, std::ostream& out);
// Figures with their targets.
FigureTable EvaluationFigures(const Evaluation& evaluation);

}  // namespace truce::lab
