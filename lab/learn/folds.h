// Leave-programs-out: every program is held out once, and whoever predicts it has never seen it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lab/learn/predictor.h"

namespace truce::lab {

struct Fold {
  // Programs that are judged, and programs by which training stops. Neither is in `training`.
  std::set<std::string> held_out;
  std::set<std::string> validating;
  ExampleList training;
  // At least one program of `validating`, none of `held_out`.
  ExampleList validation;
  // At least one program of `held_out`; at the moments asked for only.
  ExampleList test;
};

// Who is held out together: any programs, or all that are alike by name ("stress-fft" and "stress-matrix"), too.
enum class HeldOutBy { kProgram, kFamily };

// Splits the programs that occur into groups of about `size`, shuffled by `seed`; one fold per group, validated by the
// next one. `test_moments` says which examples are judged. InvalidArgument when there are fewer than three groups, or a
// fold has nothing to learn from, to stop by or to judge.
absl::StatusOr<std::vector<Fold>> LeaveProgramsOut(const std::vector<InterferenceExample>& examples, size_t size,
                                                   const std::vector<double>& test_moments, uint64_t seed,
                                                   HeldOutBy by = HeldOutBy::kProgram);

// What a predictor is shown of test examples.
struct View {
  // Groups of features that the host has not.
  std::vector<FeatureGroup> missing;
  // The neighbours were not there before they met the victim: nothing is seen of their time alone. Moments before 1 s,
  // when nothing at all was seen of them, are not judged.
  bool newcomers = false;
};

// One prediction of one example by a predictor that had not seen one of its programs.
struct Judged {
  const InterferenceExample* example = nullptr;
  InterferencePrediction prediction;
  // Which fold held them out.
  size_t fold = 0;
  // Whether the victim was among the programs held out, and whether one of the aggressors was.
  bool new_victim = false;
  bool new_aggressor = false;
  // The same for each member, victim first.
  std::vector<bool> is_new;
};

// Fits a new predictor on each fold and gathers what it says of the fold's test examples, several folds at a time.
// `done` is called after each fold, from one thread at a time.
absl::StatusOr<std::vector<std::vector<Judged>>> JudgeFolds(const std::vector<Fold>& folds,
                                                            const std::function<std::unique_ptr<Predictor>()>& make,
                                                            const std::vector<View>& views, int threads,
                                                            const std::function<void()>& done);

// Calibrates what is said of a fold's programs on what was said of all others when they were held out, as the model
// that is trained on all programs in the end will be. `judged`, of JudgeFolds, is by view; the first is calibrated on.
void CalibrateAcross(const std::vector<Fold>& folds, std::vector<std::vector<Judged>>* judged);

}  // namespace truce::lab
