#include "lab/learn/folds.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "models/training/calibrate.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

bool AnyOf(const InterferenceExample& example, const std::set<std::string>& programs) {
  return std::any_of(example.programs.begin(), example.programs.end(),
                     [&](const std::string& program) { return programs.contains(program); });
}

InterferenceExample Shown(InterferenceExample example, const View& view) {
  const auto hide = [&view](InputSequence& sequence) {
    for (ModelInput& input : sequence) {
      for (const FeatureGroup group : view.missing) Hide(group, &input);
    }
  };
  hide(example.victim);
  for (InputSequence& aggressor : example.aggressors) {
    hide(aggressor);
    if (view.newcomers) aggressor.erase(aggressor.begin(), aggressor.end() - example.company());
  }
  return example;
}

absl::StatusOr<std::vector<Judged>> Judge(const Fold& fold, Predictor& predictor, const View& view) {
  ExampleList test;
  for (const InterferenceExample* example : fold.test) {
    if (!view.newcomers || example->company() >= 1) test.push_back(example);
  }
  std::vector<InterferenceExample> copies;
  ExampleList shown = test;
  if (!view.missing.empty() || view.newcomers) {
    copies.reserve(test.size());
    for (const InterferenceExample* example : test) copies.push_back(Shown(*example, view));
    for (size_t i = 0; i < copies.size(); ++i) shown[i] = &copies[i];
  }
  TRUCE_ASSIGN_OR_RETURN(const std::vector<InterferencePrediction> predictions, predictor.Predict(shown));
  std::vector<Judged> judged;
  for (size_t i = 0; i < shown.size(); ++i) {
    const std::vector<std::string>& programs = test[i]->programs;
    Judged one;
    one.example = test[i];
    one.prediction = predictions[i];
    for (const std::string& program : programs) one.is_new.push_back(fold.held_out.contains(program));
    one.new_victim = one.is_new[0];
    one.new_aggressor = std::find(one.is_new.begin() + 1, one.is_new.end(), true) != one.is_new.end();
    judged.push_back(std::move(one));
  }
  return judged;
}

}  // namespace

absl::StatusOr<std::vector<Fold>> LeaveProgramsOut(const std::vector<InterferenceExample>& examples, size_t size,
                                                   const std::vector<double>& test_moments, uint64_t seed,
                                                   HeldOutBy by) {
  std::set<std::string> programs;
  for (const InterferenceExample& example : examples) programs.insert(example.programs.begin(), example.programs.end());
  // What must stay together, by name.
  std::map<std::string, std::set<std::string>> kin;
  for (const std::string& program : programs)
    kin[by == HeldOutBy::kFamily ? program.substr(0, program.find('-')) : program].insert(program);
  std::vector<std::set<std::string>> sets;
  for (auto& [_, members] : kin) sets.push_back(std::move(members));
  std::shuffle(sets.begin(), sets.end(), std::mt19937_64(seed));
  const size_t count = std::min(sets.size(), (programs.size() + size - 1) / size);
  if (count < 3) {
    return absl::InvalidArgumentError(StrCat("leaving out ", size, " of ", programs.size(),
                                             " programs at a time leaves too few; measure more of them"));
  }
  // Each where there are fewest so far; the large ones first.
  std::stable_sort(sets.begin(), sets.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
  std::vector<std::set<std::string>> groups(count);
  for (const std::set<std::string>& set : sets) {
    std::min_element(groups.begin(), groups.end(), [](const auto& a, const auto& b) {
      return a.size() < b.size();
    })->insert(set.begin(), set.end());
  }
  std::vector<Fold> folds(count);
  for (size_t i = 0; i < count; ++i) {
    Fold& fold = folds[i];
    fold.held_out = groups[i];
    fold.validating = groups[(i + 1) % count];
    for (const InterferenceExample& example : examples) {
      if (AnyOf(example, fold.held_out)) {
        const bool asked = std::find(test_moments.begin(), test_moments.end(), example.moment) != test_moments.end();
        if (asked) fold.test.push_back(&example);
      } else if (AnyOf(example, fold.validating)) {
        fold.validation.push_back(&example);
      } else {
        fold.training.push_back(&example);
      }
    }
  }
  for (const Fold& fold : folds) {
    if (!fold.training.empty() && !fold.validation.empty() && !fold.test.empty()) continue;
    return absl::InvalidArgumentError("too few meetings: some programs never met the others; measure more");
  }
  return folds;
}

absl::StatusOr<std::vector<std::vector<Judged>>> JudgeFolds(const std::vector<Fold>& folds,
                                                            const std::function<std::unique_ptr<Predictor>()>& make,
                                                            const std::vector<View>& views, int threads,
                                                            const std::function<void()>& done) {
  // [fold][view]
  std::vector<std::vector<std::vector<Judged>>> gathered(folds.size());
  absl::Status failure;
  std::mutex mutex;
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < folds.size(); i = next++) {
      const std::unique_ptr<Predictor> predictor = make();
      absl::Status status = predictor->Fit(folds[i].training, folds[i].validation);
      for (size_t v = 0; status.ok() && v < views.size(); ++v) {
        auto judged = Judge(folds[i], *predictor, views[v]);
        status = judged.status();
        if (judged.ok()) gathered[i].push_back(*std::move(judged));
      }
      const std::lock_guard lock(mutex);
      failure.Update(status);
      done();
    }
  };
  std::vector<std::thread> workers;
  for (int i = 0; i < std::max(1, threads); ++i) workers.emplace_back(work);
  for (std::thread& worker : workers) worker.join();
  TRUCE_RETURN_IF_ERROR(failure);
  std::vector<std::vector<Judged>> all(views.size());
  for (size_t i = 0; i < gathered.size(); ++i) {
    for (size_t v = 0; v < views.size(); ++v) {
      for (Judged& one : gathered[i][v]) {
        one.fold = i;
        all[v].push_back(std::move(one));
      }
    }
  }
  return all;
}

void CalibrateAcross(const std::vector<Fold>& folds, std::vector<std::vector<Judged>>* judged) {
  for (size_t fold = 0; fold < folds.size(); ++fold) {
    std::vector<Forecast> forecasts;
    for (const Judged& one : judged->front()) {
      if (!AnyOf(*one.example, folds[fold].held_out)) forecasts.push_back({one.example, &one.prediction});
    }
    const Calibration calibration = CalibrateOn(forecasts);
    for (std::vector<Judged>& view : *judged) {
      for (Judged& one : view) {
        if (one.fold != fold) continue;
        InterferencePrediction& prediction = one.prediction;
        prediction.probability = calibration.Probability(static_cast<float>(prediction.deviations_above));
        prediction.reach = calibration.interval_deviations * prediction.deviation;
      }
    }
  }
}

}  // namespace truce::lab
