#include "lab/learn/evaluate.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <mutex>
#include <ostream>
#include <set>

#include "absl/strings/str_format.h"
#include "lab/dataset.h"
#include "lab/examples.h"
#include "lab/labels.h"
#include "lab/learn/lstm.h"
#include "lab/learn/predictor.h"
#include "src/base/clock.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

std::vector<Judged> Those(const std::vector<Judged>& judged, const std::function<bool(const Judged&)>& which) {
  std::vector<Judged> those;
  for (const Judged& one : judged) {
    if (which(one)) those.push_back(one);
  }
  return those;
}

// Whether a second measurement would hardly fall on the other side of "slowed by 5 %".
bool IsSure(const Judged& judged) {
  constexpr double kErrors = 2;
  const InterferenceExample& example = *judged.example;
  return std::abs(example.log_slowdown - std::log1p(kNoticedSlowdown)) >= kErrors * example.error;
}

double MeanOf(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return values.empty() ? std::nan("") : sum / static_cast<double>(values.size());
}

// Share of the slowdowns that lie within the interval that the model gives for 80 % of them.
double WithinInterval(const std::vector<Judged>& judged) {
  const auto within = std::count_if(judged.begin(), judged.end(), [](const Judged& one) {
    return std::abs(one.example->log_slowdown - one.prediction.log_slowdown) <= one.prediction.reach;
  });
  return static_cast<double>(within) / static_cast<double>(std::max<size_t>(1, judged.size()));
}

// Mean absolute error of the slowdown; NaN for none.
double MeanError(const std::vector<Judged>& judged) {
  std::vector<double> errors;
  for (const Judged& one : judged) {
    errors.push_back(std::abs(std::expm1(one.prediction.log_slowdown) - std::expm1(one.example->log_slowdown)));
  }
  return MeanOf(errors);
}

// Meetings and victims that were measured more than once.
std::set<std::pair<size_t, std::string>> Repeated(const DatasetContent& content) {
  const std::vector<Label> labels = MakeLabels(content);
  std::set<std::pair<size_t, std::string>> repeated;
  for (const Repeat& repeat : Repeats(content, labels)) {
    for (const Label* label : {repeat.first, repeat.second}) {
      repeated.insert({static_cast<size_t>(label->meeting), content.lives.at(label->victim).program});
    }
  }
  return repeated;
}

void WriteRows(const std::string& title, const std::vector<NamedMarks>& rows, std::ostream& out) {
  if (rows.empty()) return;
  out << absl::StrFormat("\n%-24s %-20s %-20s %-20s %-22s %8s\n", title, "AUC", "ERROR", "BRIER", "RANK", "LABELS");
  const auto cell = [](const Estimate& estimate) {
    if (std::isnan(estimate.interval.low)) return std::string("-");
    return absl::StrFormat("%.3f (%.3f-%.3f)", estimate.value, estimate.interval.low, estimate.interval.high);
  };
  for (const auto& [name, marks] : rows) {
    out << absl::StrFormat("%-24s %-20s %-20s %-20s %-22s %8d\n", name, cell(marks.auc), cell(marks.error),
                           cell(marks.brier), cell(marks.rank), marks.labels);
  }
}

void WriteForesight(const Foresight& foresight, std::ostream& out) {
  out << absl::StrFormat("\n%-24s", "AUC BY SECOND OF A BURST");
  for (int second = 0; second <= kForesightSeconds; ++second) out << absl::StrFormat("%7d s", second);
  out << "   KNOWN AFTER, MEDIAN   FOUND   FALSE ALARMS\n";
  const auto row = [&out](const char* name, const Foresight::Side& side) {
    out << absl::StrFormat("%-24s", name);
    for (const double auc : side.auc) out << absl::StrFormat("%9.3f", auc);
    const bool never = side.median_seconds > kForesightSeconds;
    out << absl::StrFormat("   %s%.0f s %22.0f %% %10.0f %%\n", never ? "over " : "",
                           std::min<double>(kForesightSeconds, side.median_seconds), 100 * side.found_ratio,
                           100 * side.false_alarm_ratio);
  };
  row("LSTM, known neighbour", foresight.known);
  row("LSTM, newcomer", foresight.newcomer);
  row("evidence alone", foresight.evidence);
  out << "(" << foresight.bursts << " bursts of one neighbour beside a victim that was alone before)\n";
}

}  // namespace

const std::vector<Mask>& Masks() {
  static const std::vector<Mask> kMasks = {
      {"all readings", {}},
      {"no counters", {FeatureGroup::kCounters}},
      {"no PSI", {FeatureGroup::kPressure}},
      {"only CPU usage",
       {FeatureGroup::kPressure, FeatureGroup::kRunQueue, FeatureGroup::kCounters, FeatureGroup::kMemory,
        FeatureGroup::kDisk, FeatureGroup::kNetwork, FeatureGroup::kHost}},
  };
  return kMasks;
}

std::vector<FeatureGroup> NeverSeen(const std::vector<InterferenceExample>& examples) {
  std::set<FeatureGroup> unseen;
  for (size_t group = 0; group < kFeatureGroupCount; ++group) unseen.insert(static_cast<FeatureGroup>(group));
  for (const InterferenceExample& example : examples) {
    for (const ModelInput& input : example.victim) {
      for (size_t i = 0; i < kFeatureCount; ++i) {
        if (input[kFeatureCount + i] > 0) unseen.erase(FeatureGroupOf(i));
      }
    }
  }
  return {unseen.begin(), unseen.end()};
}

const std::vector<double>& PredictedMoments() {
  static const std::vector<double> kMoments = {0, 1, 2, 3, 4, 5, 6};
  return kMoments;
}

const std::vector<double>& JudgedMoments() {
  static const std::vector<double> kMoments = {0, 2, 6};
  return kMoments;
}

absl::StatusOr<std::vector<std::vector<Judged>>> JudgeLstm(const std::vector<Fold>& folds,
                                                           const TrainingOptions& training, int networks, int threads,
                                                           const Checkpoints& checkpoints, std::vector<int>* epochs,
                                                           const std::function<void()>& done) {
  std::mutex mutex;
  const auto trained = [&](int one) {
    const std::lock_guard lock(mutex);
    epochs->push_back(one);
  };
  std::vector<View> views;
  for (const Mask& mask : Masks()) views.push_back({mask.missing});
  views.push_back({.newcomers = true});
  const auto make = [&] { return std::make_unique<LstmPredictor>(training, networks, trained, checkpoints); };
  TRUCE_ASSIGN_OR_RETURN(auto judged, JudgeFolds(folds, make, views, threads, done));
  CalibrateAcross(folds, &judged);
  return judged;
}

std::vector<Judged> AtJudgedMoments(const std::vector<Judged>& judged) {
  const std::vector<double>& moments = JudgedMoments();
  return Those(judged, [&](const Judged& one) {
    return std::find(moments.begin(), moments.end(), one.example->moment) != moments.end();
  });
}

void CutJudged(const DatasetContent& content, std::vector<std::vector<Judged>> judged, int bootstrap_draws,
               uint64_t seed, Evaluation* evaluation) {
  evaluation->foresight = CompareForesight(content, judged[0], judged.back());
  const std::vector<FeatureGroup> unseen = NeverSeen(evaluation->examples);
  for (size_t i = 0; i < Masks().size(); ++i) {
    // To hide what nobody had would say nothing.
    const std::vector<FeatureGroup>& missing = Masks()[i].missing;
    const bool hides = std::any_of(missing.begin(), missing.end(), [&](FeatureGroup group) {
      return std::find(unseen.begin(), unseen.end(), group) == unseen.end();
    });
    if (i > 0 && !hides) continue;
    evaluation->masked.push_back({Masks()[i].name, MarksOf(AtJudgedMoments(judged[i]), bootstrap_draws, seed)});
  }
  evaluation->judged = AtJudgedMoments(judged[0]);
  const std::set<std::pair<size_t, std::string>> repeated = Repeated(content);
  evaluation->error_where_repeated = MeanError(Those(evaluation->judged, [&repeated](const Judged& one) {
    return repeated.contains({one.example->meeting, one.example->programs[0]});
  }));
  const auto add = [&](std::vector<NamedMarks>* rows, std::string name, const auto& which) {
    const std::vector<Judged> those = Those(evaluation->judged, which);
    if (!those.empty()) rows->push_back({std::move(name), MarksOf(those, bootstrap_draws, seed)});
  };
  for (const double moment : JudgedMoments()) {
    add(&evaluation->moments, absl::StrFormat("%.0f s of company shown", moment),
        [moment](const Judged& one) { return one.example->moment == moment; });
  }
  add(&evaluation->novelty, "new victim", [](const Judged& one) { return one.new_victim && !one.new_aggressor; });
  add(&evaluation->novelty, "new neighbour", [](const Judged& one) { return !one.new_victim && one.new_aggressor; });
  add(&evaluation->novelty, "both new", [](const Judged& one) { return one.new_victim && one.new_aggressor; });
  add(&evaluation->familiar, "familiarity below 0.2",
      [](const Judged& one) { return one.prediction.familiarity < 0.2; });
  add(&evaluation->familiar, "0.2 to 0.8",
      [](const Judged& one) { return one.prediction.familiarity >= 0.2 && one.prediction.familiarity < 0.8; });
  add(&evaluation->familiar, "0.8 or more", [](const Judged& one) { return one.prediction.familiarity >= 0.8; });
}

absl::StatusOr<std::vector<Fold>> PrepareEvaluation(const DatasetContent& content, int held_out, HeldOutBy by,
                                                    uint64_t seed, Evaluation* evaluation) {
  const auto machine = content.meta.find("machine");
  if (machine != content.meta.end()) evaluation->machine = machine->second;
  const std::vector<Label> labels = MakeLabels(content);
  evaluation->by = by;
  evaluation->noise_floor = MeanOf(RepeatDifferences(content, labels));
  evaluation->disturbed = static_cast<size_t>(
      std::count_if(labels.begin(), labels.end(), [](const Label& label) { return label.disturbed; }));
  evaluation->labels = labels.size() - evaluation->disturbed;
  TRUCE_ASSIGN_OR_RETURN(evaluation->examples, MakeExamples(content));
  TRUCE_ASSIGN_OR_RETURN(std::vector<Fold> folds, LeaveProgramsOut(evaluation->examples, static_cast<size_t>(held_out),
                                                                   PredictedMoments(), seed, by));
  std::set<size_t> meetings;
  for (const InterferenceExample& example : evaluation->examples) meetings.insert(example.meeting);
  evaluation->meetings = meetings.size();
  for (const Fold& fold : folds) evaluation->programs += fold.held_out.size();
  return folds;
}

Marks MeasuredTwice(const DatasetContent& content, int bootstrap_draws, uint64_t seed) {
  const std::vector<Label> labels = MakeLabels(content);
  std::vector<std::pair<const Label*, const Label*>> pairs;
  std::vector<size_t> groups;
  for (const Repeat& repeat : Repeats(content, labels)) {
    pairs.emplace_back(repeat.first, repeat.second);
    pairs.emplace_back(repeat.second, repeat.first);
    groups.resize(pairs.size(), static_cast<size_t>(repeat.group));
  }
  std::vector<InterferenceExample> measured(pairs.size());
  std::vector<Judged> judged;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const auto& [said, label] = pairs[i];
    measured[i].meeting = i;
    measured[i].group = groups[i];
    measured[i].programs = {content.lives.at(label->victim).program, content.lives.at(label->aggressors[0]).program};
    measured[i].log_slowdown = LogSlowdown(*label);
    Judged& one = judged.emplace_back();
    one.example = &measured[i];
    one.prediction.log_slowdown = LogSlowdown(*said);
    one.prediction.probability = 0.5 * std::erfc((kNoticedSlowdown - said->slowdown) / (M_SQRT2 * said->error));
  }
  return MarksOf(judged, bootstrap_draws, seed);
}

absl::StatusOr<Evaluation> Evaluate(const EvaluateOptions& options, const Checkpoints& checkpoints,
                                    std::ostream& progress) {
  TRUCE_ASSIGN_OR_RETURN(const DatasetContent content, Dataset::Load(options.file));
  Evaluation evaluation;
  TRUCE_ASSIGN_OR_RETURN(const std::vector<Fold> folds,
                         PrepareEvaluation(content, options.held_out, options.by, options.seed, &evaluation));
  const std::vector<std::pair<std::string, std::function<std::unique_ptr<Predictor>()>>> baselines = {
      {"cpi2 correlation", NewCorrelationPredictor},
      {"cpu sum", NewCpuSumPredictor},
      {"linear", NewLinearPredictor},
      {"boosted trees", [&options] { return NewBoostedTreesPredictor(options.seed); }},
      {"collaborative filter", [&options] { return NewCollaborativePredictor(2, options.seed); }},
  };
  Progress steps(&progress, &SystemClock(), static_cast<int>((baselines.size() + 1) * folds.size()));
  TrainingOptions training;
  training.seed = options.seed;
  std::vector<int> epochs;
  TRUCE_ASSIGN_OR_RETURN(auto ours, JudgeLstm(folds, training, options.networks, options.threads, checkpoints, &epochs,
                                              [&] { steps.Step("Truce's LSTM"); }));
  const auto mark = [&](const std::string& name, const std::vector<Judged>& judged) {
    const std::vector<Judged> marked = AtJudgedMoments(judged);
    evaluation.predictors.push_back({name, MarksOf(marked, options.bootstrap_draws, options.seed)});
    evaluation.sure.push_back({name, MarksOf(Those(marked, IsSure), options.bootstrap_draws, options.seed)});
  };
  mark("Truce's LSTM", ours[0]);
  CutJudged(content, std::move(ours), options.bootstrap_draws, options.seed, &evaluation);
  if (!std::isnan(evaluation.noise_floor)) {
    evaluation.again.push_back(
        {"the first by the second", MeasuredTwice(content, options.bootstrap_draws, options.seed)});
  }
  for (const auto& baseline : baselines) {
    const std::string& name = baseline.first;
    TRUCE_ASSIGN_OR_RETURN(auto judged,
                           JudgeFolds(folds, baseline.second, {View()}, options.threads, [&] { steps.Step(name); }));
    // As ours is.
    for (Judged& one : judged[0]) {
      const double probability = std::clamp(one.prediction.probability, 1e-6, 1 - 1e-6);
      one.prediction.deviations_above = std::log(probability / (1 - probability));
    }
    CalibrateAcross(folds, &judged);
    mark(name, judged[0]);
  }
  return evaluation;
}

void WriteEvaluation(const Evaluation& evaluation, std::ostream& out) {
  out << evaluation.machine << "\n"
      << evaluation.programs << " programs, " << evaluation.meetings << " meetings, " << evaluation.labels
      << " slowdowns (" << evaluation.disturbed
      << " more were disturbed); each was told by a model that had never seen\none of the programs that met"
      << (evaluation.by == HeldOutBy::kFamily ? ", nor any of its family" : "") << "\n";
  WriteRows("PREDICTOR", evaluation.predictors, out);
  WriteRows("SURE LABELS ONLY", evaluation.sure, out);
  WriteRows("MEASURED AGAIN", evaluation.again, out);
  WriteRows("TRUCE'S LSTM", evaluation.moments, out);
  WriteRows("WHO WAS NEW", evaluation.novelty, out);
  WriteRows("READINGS", evaluation.masked, out);
  WriteRows("FAMILIARITY", evaluation.familiar, out);
  if (evaluation.foresight.bursts > 0) WriteForesight(evaluation.foresight, out);
  out << R"(
AUC and Brier score of "slowed by 5 % or more"; error: mean absolute error of the slowdown (1 = twice the time);
rank: Spearman per victim; in brackets 95 % bootstrap intervals over meetings, of the rank over victims. Sure labels
lie two standard errors or more from 5 %.

)";
}

FigureTable EvaluationFigures(const Evaluation& evaluation) {
  FigureTable table;
  const Marks& ours = evaluation.predictors[0].marks;
  table.Add({.name = "AUC", .value = ours.auc.value, .unit = "", .target = AtLeast(0.93)});
  table.Add({.name = "error of the slowdown", .value = ours.error.value, .unit = "ratio"});
  table.Add({.name = "noise floor (repeat against repeat)", .value = evaluation.noise_floor, .unit = "ratio"});
  if (!std::isnan(evaluation.noise_floor)) {
    table.Add(
        {.name = "error in meetings that were repeated", .value = evaluation.error_where_repeated, .unit = "ratio"});
    table.Add({.name = "error against the noise floor, in those",
               .value = evaluation.error_where_repeated / evaluation.noise_floor,
               .unit = "x",
               .target = AtMost(1.5)});
  }
  double best_auc = 0;
  double best_error = INFINITY;
  for (size_t i = 1; i < evaluation.predictors.size(); ++i) {
    best_auc = std::max(best_auc, evaluation.predictors[i].marks.auc.value);
    best_error = std::min(best_error, evaluation.predictors[i].marks.error.value);
  }
  table.Add(
      {.name = "AUC less the best baseline's", .value = ours.auc.value - best_auc, .unit = "", .target = AtLeast(0)});
  table.Add({.name = "error against the best baseline's",
             .value = ours.error.value / best_error,
             .unit = "x",
             .target = AtMost(1)});
  if (!evaluation.sure.empty()) {
    table.Add({.name = "AUC over labels that are sure", .value = evaluation.sure[0].marks.auc.value, .unit = ""});
  }
  if (!evaluation.again.empty() && !std::isnan(evaluation.again[0].marks.auc.value)) {
    table.Add(
        {.name = "AUC of one measurement for its repeat", .value = evaluation.again[0].marks.auc.value, .unit = ""});
  }
  table.Add(
      {.name = "slowdowns within their 80 % interval", .value = WithinInterval(evaluation.judged), .unit = "ratio"});
  table.Add({.name = "Brier score", .value = ours.brier.value, .unit = ""});
  table.Add({.name = "rank of neighbours", .value = ours.rank.value, .unit = ""});
  return table;
}

}  // namespace truce::lab
