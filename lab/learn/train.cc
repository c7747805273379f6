#include "lab/learn/train.h"

#include <algorithm>
#include <cmath>
#include <ostream>
#include <set>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "lab/dataset.h"
#include "lab/learn/evaluate.h"
#include "lab/learn/folds.h"
#include "lab/learn/lstm.h"
#include "lab/learn/references.h"
#include "models/interference/model_file.h"
#include "models/training/calibrate.h"
#include "src/base/atomic_file.h"
#include "src/base/figures.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

// How often the call "slowed by 5 % or more: yes or no" is right.
double Accuracy(const std::vector<Judged>& judged) {
  const auto right = std::count_if(judged.begin(), judged.end(), [](const Judged& one) {
    return (one.prediction.probability >= 0.5) == (one.example->log_slowdown >= std::log1p(kNoticedSlowdown));
  });
  return judged.empty() ? 0 : static_cast<double>(right) / static_cast<double>(judged.size());
}

// What programs that were held out say of the model that is trained on all.
InterferenceModel Recalibrated(const InterferenceModel& model, const std::vector<Judged>& judged) {
  std::vector<Forecast> forecasts;
  std::vector<float> distances;
  for (const Judged& one : judged) {
    forecasts.push_back({one.example, &one.prediction});
    for (size_t i = 0; i < one.is_new.size(); ++i) {
      if (one.is_new[i]) distances.push_back(one.prediction.distances[i]);
    }
  }
  Familiarity familiarity = model.familiarity();
  familiarity.distances = Quantiles(std::move(distances));
  return InterferenceModel(model.weights(), CalibrateOn(forecasts), std::move(familiarity));
}

std::string Card(const TrainOptions& options, const ModelFile& file, const Evaluation& evaluation, int epochs) {
  std::ostringstream tables;
  WriteEvaluation(evaluation, tables);
  const InterferenceWeights& weights = file.model.weights();
  return absl::StrFormat(
      "# Interference model %s\n\n"
      "Predicts, for an ordered pair of workloads on a host, by how much the second slows the first: "
      "docs/models.md.\n\n"
      "## Trained on\n\n"
      "`truce-lab collect` on %s\n\n"
      "%d programs, %d meetings of two or three, %d examples. Seed %d, %d epochs.\n\n"
      "## Network\n\n"
      "%d features with a validity bit each, linear to %d, LSTM with %d cells, pair head of %d.\n\n"
      "## How good it is\n\n"
      "The same method on programs that were held out of training in turn:\n\n```\n%s```\n\n"
      "## Limits\n\n"
      "- One machine. On another kind, confidence falls with the distance of the fingerprints; train on your own with\n"
      "  `truce-lab collect` and `truce-lab train`.\n"
      "- In nearly all meetings that were judged, one of the programs was known to training; of two that are both new\n"
      "  less is known. Programs that are alike (the kernels of stress-ng, say) are held out one by one: `truce-lab\n"
      "  evaluate --families` holds them out together.\n"
      "- Meetings of at most three programs; what is said of more neighbours adds up their parts.\n"
      "- Slowdowns are measured over windows of seconds: effects that build up over minutes are not in them.\n",
      file.version, file.machine, evaluation.programs, evaluation.meetings, evaluation.examples.size(),
      options.training.seed, epochs, kFeatureCount, weights.projected(), weights.hidden(), weights.pair(),
      tables.str());
}

}  // namespace

std::string CardOf(std::string model) {
  if (const size_t dot = model.rfind('.'); dot != std::string::npos && dot > model.rfind('/') + 1) model.erase(dot);
  return model + ".md";
}

absl::Status Train(const TrainOptions& options, std::ostream& progress) {
  const std::string card = CardOf(options.output);
  if (card == options.output) {
    return absl::InvalidArgumentError(
        StrCat("--output ", card, " is where the model's card would be written; give the model another name"));
  }
  TRUCE_ASSIGN_OR_RETURN(const DatasetContent content, Dataset::Load(options.file));
  Evaluation evaluation;
  TRUCE_ASSIGN_OR_RETURN(
      const std::vector<Fold> folds,
      PrepareEvaluation(content, options.held_out, HeldOutBy::kProgram, options.training.seed, &evaluation));
  Progress steps(&progress, &SystemClock(), static_cast<int>(folds.size()) + 1);
  std::vector<int> epochs;
  TRUCE_ASSIGN_OR_RETURN(const Checkpoints checkpoints, Checkpoints::In(options.checkpoints));
  TRUCE_ASSIGN_OR_RETURN(auto judged, JudgeLstm(folds, options.training, 1, options.threads, checkpoints, &epochs,
                                                [&] { steps.Step("programs held out in turn"); }));
  std::vector<Skill> skills;
  for (size_t i = 0; i < Masks().size(); ++i) {
    const std::vector<Judged> marked = AtJudgedMoments(judged[i]);
    const double auc = MarksOf(marked, 1, options.training.seed).auc.value;
    // What no program of the data set had was missing from all that the skill was measured on.
    std::vector<FeatureGroup> missing = Masks()[i].missing;
    for (const FeatureGroup group : NeverSeen(evaluation.examples)) {
      if (std::find(missing.begin(), missing.end(), group) == missing.end()) missing.push_back(group);
    }
    skills.push_back({std::move(missing), Accuracy(marked), auc});
  }
  evaluation.predictors.push_back(
      {"held out", MarksOf(AtJudgedMoments(judged[0]), options.bootstrap_draws, options.training.seed)});
  const std::vector<Judged> held_out = judged[0];
  CutJudged(content, std::move(judged), options.bootstrap_draws, options.training.seed, &evaluation);

  std::sort(epochs.begin(), epochs.end());
  TrainingOptions training = options.training;
  training.stop_after = std::max(1, epochs[epochs.size() / 2]);
  ExampleList all;
  for (const InterferenceExample& example : evaluation.examples) all.push_back(&example);
  // The file carries one computation whose result is known.
  const auto pair =
      std::find_if(all.begin(), all.end(), [](const InterferenceExample* one) { return !one->aggressors.empty(); });
  if (pair == all.end()) return absl::InvalidArgumentError(StrCat("in ", options.file, " nobody met anybody"));
  steps.Step("all programs");
  const auto tell = [&progress, &training](const EpochReport& told) {
    progress << absl::StrFormat("epoch %d of %d: loss %.4f\n", told.epoch, training.stop_after, told.training_loss);
    return true;
  };
  TRUCE_ASSIGN_OR_RETURN(const TrainedInterference trained, TrainSafely(all, {}, training, tell, checkpoints));
  const std::string today = absl::FormatTime("%Y-%m-%d", absl::Now(), absl::UTCTimeZone());
  InterferenceModel model = Recalibrated(trained.model, held_out);
  std::vector<ModelReference> references = MakeReferences(content, model);
  ModelFile file{options.version.empty() ? today : options.version, evaluation.machine, std::move(skills),
                 std::move(model), std::move(references)};
  // Two models of one day are two.
  if (options.version.empty())
    file.version = StrCat(today, ".", ModelDigest(SerializeModel(file, **pair)).substr(0, 6));
  const std::string bytes = SerializeModel(file, **pair);
  TRUCE_RETURN_IF_ERROR(ParseModel(bytes, "the trained model").status());
  TRUCE_RETURN_IF_ERROR(WriteFileAtomically(options.output, bytes, 0644, IfExists::kReplace));
  TRUCE_RETURN_IF_ERROR(
      WriteFileAtomically(card, Card(options, file, evaluation, trained.epochs), 0644, IfExists::kReplace));
  checkpoints.Remove();
  return absl::OkStatus();
}

}  // namespace truce::lab
