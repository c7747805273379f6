// truce-lab evaluate: how well slowdowns are told for programs that training never saw, beside what others do.
#pragma once

#include <functional>
#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "lab/learn/checkpoints.h"
#include "lab/learn/foresight.h"
#include "lab/learn/scoring.h"
#include "models/training/trainer.h"
#include "src/base/figures.h"

namespace truce::lab {

struct EvaluateOptions {
  // The data set.
  std::string file;
  // Programs held out at a time, and whether those of one family go together.
  int held_out = 3;
  HeldOutBy by = HeldOutBy::kProgram;
  // Networks whose mean is judged.
  int networks = 1;
  int threads = 2;
  int bootstrap_draws = 500;
  uint64_t seed = 1;
  // A page with pictures is written here; empty: none.
  std::string html;
};

// Readings that a host may lack, by name; the first lacks none.
struct Mask {
  std::string name;
  std::vector<FeatureGroup> missing;
};
const std::vector<Mask>& Masks();

// Groups of features that no sample of the examples has.
std::vector<FeatureGroup> NeverSeen(const std::vector<InterferenceExample>& examples);

// Moments at which predictions are made, in seconds of company that were shown, and those by which marks are given.
const std::vector<double>& PredictedMoments();
const std::vector<double>& JudgedMoments();

struct NamedMarks {
  std::string name;
  Marks marks;
};

struct Evaluation {
  std::string machine;
  size_t programs = 0;
  size_t meetings = 0;
  // Measured slowdowns that are judged, and those that are not, because too little of their meeting was quiet.
  size_t labels = 0;
  size_t disturbed = 0;
  HeldOutBy by = HeldOutBy::kProgram;
  // Mean difference between two measurements of the same meeting, and our error in those meetings; NaN when nothing was
  // repeated.
  double noise_floor = 0;
  double error_where_repeated = 0;
  std::vector<NamedMarks> predictors;  // the first is ours
  std::vector<NamedMarks> sure;        // the same over labels two standard errors or more from 5 %
  std::vector<NamedMarks> again;       // a measurement of a meeting as the prediction of its repeat
  std::vector<NamedMarks> moments;     // ours, by seconds of company that were seen
  std::vector<NamedMarks> masked;      // ours, without some readings
  std::vector<NamedMarks> novelty;     // ours, by who was new
  std::vector<NamedMarks> familiar;    // ours, by how familiar
  Foresight foresight;
  // Ours, for pictures.
  std::vector<Judged> judged;
  // What `judged` points into.
  std::vector<InterferenceExample> examples;
};

// Progress goes to `progress`. NotFound, DataLoss or InvalidArgument when the data set is not there, damaged or too
// small.
absl::StatusOr<Evaluation> Evaluate(const EvaluateOptions& options, const Checkpoints& checkpoints,
                                    std::ostream& progress);

// Fills in what an evaluation of `content` is about, its examples, and gives the folds over them.
absl::StatusOr<std::vector<Fold>> PrepareEvaluation(const DatasetContent& content, int held_out, HeldOutBy by,
                                                    uint64_t seed, Evaluation* evaluation);

// Marks of each measurement of a meeting of two as a prediction of its repeat. Both are noisy: who knew the truth would
// err by 0.7 of that.
Marks MeasuredTwice(const DatasetContent& content, int bootstrap_draws, uint64_t seed);

// Ours, judged on `folds` without each of Masks(), and last of newcomers, calibrated across them. `epochs` gets what
// each training took; `done` as in JudgeFolds.
absl::StatusOr<std::vector<std::vector<Judged>>> JudgeLstm(const std::vector<Fold>& folds,
                                                           const TrainingOptions& training, int networks, int threads,
                                                           const Checkpoints& checkpoints, std::vector<int>* epochs,
                                                           const std::function<void()>& done);

// Those that marks are given by.
std::vector<Judged> AtJudgedMoments(const std::vector<Judged>& judged);

// Fills in what is told of ours, JudgeLstm's: marks by moment, novelty, readings and familiarity, foresight, and the
// error where the noise is known. judged[0] is kept.
void CutJudged(const DatasetContent& content, std::vector<std::vector<Judged>> judged, int bootstrap_draws,
               uint64_t seed, Evaluation* evaluation);

// Tables for a person.
void WriteEvaluation(const Evaluation& evaluation, std::ostream& out);
// Figures with their targets.
FigureTable EvaluationFigures(const Evaluation& evaluation);

}  // namespace truce::lab
