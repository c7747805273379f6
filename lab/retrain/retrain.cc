#include "lab/retrain/retrain.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lab/forecast/archive.h"
#include "lab/retrain/history.h"
#include "lab/retrain/judge.h"
#include "lab/retrain/losses.h"
#include "models/forecast/demand_forecaster.h"
#include "models/forecast/demand_history_file.h"
#include "models/forecast/demand_model_file.h"
#include "models/training/demand_trainer.h"
#include "models/training/made_up_demand.h"
#include "src/base/atomic_file.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

// Half of what a model starts to learn with: it is to be moved, not made anew.
constexpr double kRate = 1e-3;
// So many made-up values for each of the history.
constexpr double kMadeUpShare = 1.0 / 3;
constexpr size_t kMadeUpLength = 600;
constexpr size_t kFewestMadeUp = 20;
// Of the history and what is made up; some 300 MB while they are learned from.
constexpr size_t kMostValues = 1'200'000;
constexpr double kDaySeconds = 86'400;

struct NamedModel {
  std::string version;
  std::string digest;
  std::shared_ptr<const DemandModel> model;
};

absl::StatusOr<std::string> ReadPlain(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  if (!file || !(bytes << file.rdbuf())) return ErrnoStatus(errno, StrCat("reading ", path));
  return std::move(bytes).str();
}

// The controller's as it is, anything else as lab/forecast/archive.h reads it.
absl::StatusOr<History> ReadHistory(const std::string& path) {
  TRUCE_ASSIGN_OR_RETURN(std::string bytes, ReadPlain(path));
  if (IsDemandHistory(bytes)) return ParseHistory(path, bytes);
  size_t files = 0;
  TRUCE_RETURN_IF_ERROR(ReadPacked(path, [&](std::string_view, std::string_view content) {
    bytes = std::string(content);
    return ++files == 1 ? absl::OkStatus() : absl::InvalidArgumentError(StrCat(path, " holds several files; give one"));
  }));
  return ParseHistory(path, bytes);
}

NamedModel Named(const std::string& bytes, DemandModelContent content) {
  return {std::move(content.version), ModelDigest(bytes),
          std::make_shared<const DemandModel>(std::move(content.model))};
}

absl::StatusOr<NamedModel> ReadModel(const std::string& path) {
  TRUCE_ASSIGN_OR_RETURN(const std::string bytes, ReadPlain(path));
  TRUCE_ASSIGN_OR_RETURN(DemandModelContent content, ParseDemandModel(bytes, path));
  return Named(bytes, std::move(content));
}

absl::Status CheckOptions(const RetrainOptions& options) {
  if (options.output.empty() == options.challenger.empty()) {
    return absl::InvalidArgumentError("give --output to retrain, or --challenger to judge a model that is there");
  }
  std::error_code error;
  for (const std::string& input : {options.champion, options.input}) {
    if (options.output.empty() || !std::filesystem::equivalent(input, options.output, error)) continue;
    return absl::InvalidArgumentError(
        StrCat("--output ", options.output, " would replace ", input, ", which retraining only reads; choose another"));
  }
  return absl::OkStatus();
}

// A day is looked back by, as everywhere.
size_t SeasonOf(const History& history) {
  return static_cast<size_t>(std::lround(kDaySeconds / history.step_seconds));
}

// What came before the span. Views into the history.
std::vector<DemandSeries> Earlier(const History& history, const JudgedSpan& span) {
  std::vector<DemandSeries> earlier;
  for (const HistorySeries& series : history.series) {
    if (series.begin >= span.begin) continue;
    const size_t count = std::min(series.values.size(), span.begin - series.begin);
    earlier.push_back({absl::MakeConstSpan(series.values).first(count), SeasonOf(history)});
  }
  return earlier;
}

size_t Known(const std::vector<DemandSeries>& series) {
  size_t known = 0;
  for (const DemandSeries& one : series) {
    known += static_cast<size_t>(
        std::count_if(one.values.begin(), one.values.end(), [](double value) { return std::isfinite(value); }));
  }
  return known;
}

absl::StatusOr<NamedModel> Tune(const RetrainOptions& options, const NamedModel& champion, const History& history,
                                const JudgedSpan& span) {
  std::vector<DemandSeries> series = Earlier(history, span);
  const size_t known = Known(series);
  if (known < kLeastRetrainingValues) {
    return absl::FailedPreconditionError(StrCat("the history has ", known, " values before the span that is judged; ",
                                                kLeastRetrainingValues, " are needed to learn from"));
  }
  const size_t own = series.size();
  const auto made_up = static_cast<size_t>(kMadeUpShare * static_cast<double>(known)) / kMadeUpLength;
  const std::vector<MadeUpDemand> made = MakeUpDemand(std::max(kFewestMadeUp, made_up), kMadeUpLength, options.seed);
  for (const MadeUpDemand& one : made) series.push_back({one.values, one.season_steps});
  DemandTrainingOptions training;
  training.seed = options.seed;
  training.epochs = options.epochs;
  training.learning_rate = kRate;
  training.most_values = kMostValues;
  const auto tell = [](const DemandEpoch& epoch) {
    std::fprintf(stderr, "retraining: %d of %d passes, loss %.4f\n", epoch.epoch, epoch.epochs, epoch.loss);
    return true;
  };
  TRUCE_ASSIGN_OR_RETURN(DemandModel tuned, TrainDemand(series, training, tell, champion.model.get()));
  DemandModelContent content{
      options.version.empty() ? absl::FormatTime("%Y-%m-%dT%H:%M:%SZ.retrained", absl::Now(), absl::UTCTimeZone())
                              : options.version,
      StrCat(champion.version, ", and then ", known, " values of ", own, " series of the fleet and ", made.size(),
             " made-up series, seed ", options.seed, ", ", options.epochs, " passes"),
      std::move(tuned)};
  const std::string bytes = SerializeDemandModel(content);
  TRUCE_RETURN_IF_ERROR(WriteFileAtomically(options.output, bytes, 0600, IfExists::kReplace));
  return Named(bytes, std::move(content));
}

std::string Sentence(const Judgement& judgement, const JudgedSpan& span, const History& history,
                     const NamedModel& champion, const NamedModel& challenger) {
  const std::string figures = absl::StrFormat(
      "%.1f %% %s than %s (%.4f of the last value's loss against %.4f, p = %.4f, on %d series of %d workloads over %s)",
      100 * std::abs(judgement.gain_ratio), judgement.gain_ratio >= 0 ? "less" : "more", champion.version,
      judgement.challenger_loss, judgement.champion_loss, judgement.p_value, judgement.series, judgement.workloads,
      absl::FormatDuration(absl::Seconds(static_cast<double>(span.steps) * history.step_seconds)));
  const std::string begin = StrCat("the demand model ", challenger.version, " errs ", figures);
  if (judgement.better) return StrCat(begin, ": it is better");
  if (judgement.workloads < kLeastJudgedWorkloads) {
    return StrCat(begin, ": that is not decided on fewer than ", kLeastJudgedWorkloads, " workloads");
  }
  if (judgement.gain_ratio < kLeastGain) {
    return StrCat(begin, ": it is not better by ", 100 * kLeastGain, " %, and ", champion.version, " stays");
  }
  return StrCat(begin, ": that may be chance (p is above ", kMostChance, "), and ", champion.version, " stays");
}

}  // namespace

absl::StatusOr<v1::RetrainingVerdict> Retrain(const RetrainOptions& options) {
  TRUCE_RETURN_IF_ERROR(CheckOptions(options));
  TRUCE_ASSIGN_OR_RETURN(const NamedModel champion, ReadModel(options.champion));
  TRUCE_ASSIGN_OR_RETURN(const History history, ReadHistory(options.input));
  TRUCE_ASSIGN_OR_RETURN(const JudgedSpan span, NewestSpan(history));
  TRUCE_ASSIGN_OR_RETURN(const NamedModel challenger, options.output.empty() ? ReadModel(options.challenger)
                                                                             : Tune(options, champion, history, span));
  const auto forecasters = [&](const NamedModel& named) -> MakeForecaster {
    return [&named, &history] { return NewDemandForecaster(named.model, SeasonOf(history)); };
  };
  std::fprintf(stderr, "judging %s against %s\n", challenger.version.c_str(), champion.version.c_str());
  TRUCE_ASSIGN_OR_RETURN(const std::vector<SeriesLosses> losses,
                         CompareLosses(history, span, forecasters(champion), forecasters(challenger), options.threads));
  if (losses.empty()) {
    return absl::FailedPreconditionError(StrCat(options.input, " has no series that models can be judged by: none ",
                                                "changes both before and within the newest fifth of it"));
  }
  const Judgement judgement = Judge(losses);
  v1::RetrainingVerdict verdict;
  verdict.set_champion_version(champion.version);
  verdict.set_champion_sha256(champion.digest);
  verdict.set_challenger_version(challenger.version);
  verdict.set_challenger_sha256(challenger.digest);
  verdict.set_champion_loss(judgement.champion_loss);
  verdict.set_challenger_loss(judgement.challenger_loss);
  verdict.set_gain_ratio(judgement.gain_ratio);
  verdict.set_p_value(judgement.p_value);
  verdict.set_series_count(judgement.series);
  verdict.set_workload_count(judgement.workloads);
  verdict.set_step_count(span.steps);
  verdict.set_promoted(judgement.better);
  verdict.set_sentence(Sentence(judgement, span, history, champion, challenger));
  return verdict;
}

}  // namespace truce::lab
