#include "lab/drift/evaluate.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <ostream>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "google/protobuf/util/time_util.h"
#include "models/drift/drift_watch.h"
#include "models/drift/episodes.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

constexpr size_t kLeastReports = 40;
constexpr double kHalfHour = 1800;
constexpr double kLookSeconds = 120;
constexpr double kFoundSeconds = 60;
constexpr size_t kReportsToDetect = 4;
constexpr double kDay = 86400;
constexpr double kMonthDays = 30;
constexpr double kLoadFactor = 3;
// A change that at least halves or doubles a trait.
const double kClear = std::log(2.0);

// A mean of the traits and of the demands of reports.
struct Means {
  Behaviour behaviour;
  std::array<double, kDemandCount> demands{};
};
Means MeansOf(const DriftReport* begin, const DriftReport* end) {
  Means means;
  std::array<int, kTraitCount> counts{};
  std::array<int, kDemandCount> demand_counts{};
  for (const DriftReport* report = begin; report != end; ++report) {
    for (size_t i = 0; i < kTraitCount; ++i) {
      if (!report->behaviour.there[i]) continue;
      means.behaviour.numbers[i] += report->behaviour.numbers[i];
      ++counts[i];
    }
    for (size_t i = 0; i < kDemandCount; ++i) {
      if (!report->demands[i].has_value()) continue;
      means.demands[i] += *report->demands[i];
      ++demand_counts[i];
    }
  }
  for (size_t i = 0; i < kTraitCount; ++i) {
    means.behaviour.there[i] = counts[i] > 0;
    if (counts[i] > 0) means.behaviour.numbers[i] /= counts[i];
  }
  for (size_t i = 0; i < kDemandCount; ++i) {
    if (demand_counts[i] > 0) means.demands[i] /= demand_counts[i];
  }
  return means;
}
Means MeansOf(const std::vector<DriftReport>& reports) {
  return MeansOf(reports.data(), reports.data() + reports.size());
}

Behaviour Difference(const Behaviour& from, const Behaviour& to) {
  Behaviour difference;
  for (size_t i = 0; i < kTraitCount; ++i) {
    difference.there[i] = from.there[i] && to.there[i];
    if (difference.there[i]) difference.numbers[i] = to.numbers[i] - from.numbers[i];
  }
  return difference;
}

double MostDifferent(const std::vector<DriftReport>& from, const std::vector<DriftReport>& to) {
  const Behaviour difference = Difference(MeansOf(from).behaviour, MeansOf(to).behaviour);
  double most = 0;
  for (const double number : difference.numbers) most = std::max(most, std::abs(number));
  return most;
}

void EvaluateUnchanged(const std::vector<DriftLife>& lives, const DriftOptions& options, DriftEvaluation* evaluation) {
  std::map<std::string, int> by_program;
  const auto reports = static_cast<int>(options.days * kDay / kReportSeconds);
  const absl::Time begin = absl::Now();
  for (size_t i = 0; i < lives.size(); ++i) {
    ReportStream stream(lives[i].reports, options.seed + i);
    SharedBaseline shared;
    DriftWatch watch;
    for (int k = 0; k < reports; ++k) {
      if (watch.Observe(k * kReportSeconds, stream.Next().behaviour, &shared) != DriftWatch::News::kBegan) continue;
      ++evaluation->alarms;
      ++by_program[lives[i].program];
    }
    evaluation->workload_days += options.days;
  }
  evaluation->seconds_per_report = absl::ToDoubleSeconds(absl::Now() - begin) /
                                   std::max(1.0, static_cast<double>(lives.size()) * static_cast<double>(reports));
  evaluation->alarms_by_program.assign(by_program.begin(), by_program.end());
}

v1::DriftEpisode MakeEpisode(std::string id, const std::string& application, const Means& from,
                             const Means& at_detection, const Means& to) {
  v1::DriftEpisode episode;
  episode.set_episode_id(std::move(id));
  episode.set_application(application);
  const Behaviour move = Difference(from.behaviour, at_detection.behaviour);
  for (size_t i = 0; i < kTraitCount; ++i) {
    if (!move.there[i]) continue;
    auto* shift = episode.add_shifts();
    shift->set_trait(std::string(TraitName(i)));
    shift->set_shift(move.numbers[i]);
  }
  for (size_t i = 0; i < kDemandCount; ++i) {
    if (from.demands[i] < LeastDemand(i)) continue;
    auto* change = episode.add_demands();
    change->set_demand(std::string(DemandName(i)));
    change->set_usual(from.demands[i]);
    change->set_at_detection(at_detection.demands[i]);
    auto* outcome = change->add_outcomes();
    outcome->set_change_factor(to.demands[i] / from.demands[i]);
    *outcome->mutable_after() = google::protobuf::util::TimeUtil::SecondsToDuration(60);
  }
  return episode;
}

// What a half of a life says: on the whole, and in its first reports.
struct Half {
  Means all;
  Means first;
};
Half HalfOf(const DriftLife& life, int which) {
  const size_t middle = life.reports.size() / 2;
  const DriftReport* begin = life.reports.data() + (which == 0 ? 0 : middle);
  const DriftReport* end = begin + (which == 0 ? middle : life.reports.size() - middle);
  return {MeansOf(begin, end), MeansOf(begin, begin + kReportsToDetect)};
}

// Episodes are what the first halves of two lives say; asked is with what the second halves say.
void EvaluatePredictions(const std::vector<DriftLife>& lives, const std::vector<std::pair<size_t, size_t>>& pairs,
                         DriftEvaluation* evaluation) {
  Episodes episodes;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const Half from = HalfOf(lives[pairs[i].first], 0);
    const Half to = HalfOf(lives[pairs[i].second], 0);
    episodes.Put(MakeEpisode(StrCat(i), lives[pairs[i].first].program, from.all, to.first, to.all));
  }
  for (const auto& [from_life, to_life] : pairs) {
    const Half from = HalfOf(lives[from_life], 1);
    const Half to = HalfOf(lives[to_life], 1);
    DriftMove move{Difference(from.all.behaviour, to.first.behaviour), {}};
    for (size_t i = 0; i < kDemandCount; ++i) move.demands[i] = DemandMove(i, from.all.demands[i], to.first.demands[i]);
    for (const auto& prediction : Episodes::Predict(episodes.Nearest(lives[from_life].program, move))) {
      const size_t demand = prediction.demand;
      if (from.all.demands[demand] < LeastDemand(demand)) continue;
      const double truth = to.all.demands[demand] / from.all.demands[demand];
      if (truth > 0) evaluation->prediction_errors.push_back(std::abs(1 + prediction.increase - truth) / truth);
    }
  }
}

}  // namespace

InjectedChange InjectChange(const std::vector<DriftReport>& from, const std::vector<DriftReport>& to, uint64_t seed) {
  InjectedChange change;
  change.most_different = MostDifferent(from, to);
  SharedBaseline shared;
  DriftWatch watch;
  ReportStream before(from, seed);
  ReportStream after(to, seed + 1);
  for (double at = 0; at < kHalfHour + kLookSeconds; at += kReportSeconds) {
    const bool changed = at >= kHalfHour;
    const DriftReport& report = changed ? after.Next() : before.Next();
    if (watch.Observe(at, report.behaviour, &shared) != DriftWatch::News::kBegan) continue;
    if (!changed) {
      change.alarmed_before = true;
      continue;
    }
    // The change came up to a report's time before the first one that shows it.
    change.found_after_seconds = at - kHalfHour + kReportSeconds;
    break;
  }
  return change;
}

absl::StatusOr<std::vector<DriftLife>> ReadDriftLives(const std::string& file) {
  TRUCE_ASSIGN_OR_RETURN(const DatasetContent content, Dataset::Load(file));
  std::vector<DriftLife> lives;
  for (const auto& [_, life] : content.lives) {
    DriftLife one{life.program, ReportsOf(life), ScaledReportsOf(life, kLoadFactor)};
    if (one.reports.size() >= kLeastReports) lives.push_back(std::move(one));
  }
  if (lives.size() < 2) {
    return absl::NotFoundError(StrCat(file, " has fewer than two lives of at least ", kLeastReports,
                                      " s; add to it with: truce-lab collect --output ", file));
  }
  return lives;
}

DriftEvaluation EvaluateDrift(const std::vector<DriftLife>& lives, const DriftOptions& options) {
  DriftEvaluation evaluation;
  evaluation.lives = lives.size();
  EvaluateUnchanged(lives, options, &evaluation);
  std::mt19937_64 random(options.seed);
  std::uniform_int_distribution<size_t> any(0, lives.size() - 1);
  std::vector<std::pair<size_t, size_t>> pairs;
  for (int i = 0; i < options.changes; ++i) {
    const size_t from = any(random);
    const size_t to = any(random);
    if (lives[from].program == lives[to].program) continue;
    pairs.emplace_back(from, to);
    InjectedChange change = InjectChange(lives[from].reports, lives[to].reports, random());
    change.from = lives[from].program;
    change.to = lives[to].program;
    evaluation.replaced.push_back(std::move(change));
  }
  for (const DriftLife& life : lives) {
    InjectedChange change = InjectChange(life.reports, life.at_thrice_the_load, random());
    change.from = change.to = life.program;
    evaluation.scaled.push_back(std::move(change));
  }
  EvaluatePredictions(lives, pairs, &evaluation);
  return evaluation;
}

void WriteDriftEvaluation(const DriftEvaluation& evaluation, std::ostream& out) {
  out << absl::StrFormat("%d lives, %.0f workload-days unchanged, %d changes\n\n", evaluation.lives,
                         evaluation.workload_days, evaluation.replaced.size());
  out << absl::StrFormat("%-20s %8s %12s\n", "MOST CHANGED TRAIT", "CHANGES", "FOUND IN 60 S");
  constexpr std::array<double, 6> kBounds = {1, 1.2, 1.5, 2, 4, 1e9};
  for (size_t i = 0; i + 1 < kBounds.size(); ++i) {
    int changes = 0;
    int found = 0;
    for (const InjectedChange& change : evaluation.replaced) {
      const double times = std::exp(change.most_different);
      if (times < kBounds[i] || times >= kBounds[i + 1]) continue;
      ++changes;
      if (change.found_after_seconds.value_or(kLookSeconds) <= kFoundSeconds) ++found;
    }
    const std::string range = i + 2 < kBounds.size() ? absl::StrFormat("x %.1f to %.1f", kBounds[i], kBounds[i + 1])
                                                     : absl::StrFormat("x %.1f or more", kBounds[i]);
    out << absl::StrFormat("%-20s %8d %12.0f%%\n", range, changes, changes > 0 ? 100.0 * found / changes : 0);
  }
  for (const auto& [program, alarms] : evaluation.alarms_by_program) {
    out << absl::StrFormat("unchanged, and alarmed: %s, %d times\n", program, alarms);
  }
  out << "\n";
}

FigureTable DriftFigures(const DriftEvaluation& evaluation) {
  FigureTable table;
  std::vector<double> delays;
  int clear = 0;
  int found = 0;
  int before = 0;
  for (const InjectedChange& change : evaluation.replaced) {
    if (change.alarmed_before) ++before;
    if (change.most_different < kClear) continue;
    ++clear;
    if (!change.found_after_seconds.has_value()) continue;
    delays.push_back(*change.found_after_seconds);
    if (*change.found_after_seconds <= kFoundSeconds) ++found;
  }
  const auto share = [](int part, size_t all) { return all > 0 ? static_cast<double>(part) / all : NAN; };
  table.Add({"changes that double or halve a trait, found in 60 s",
             share(found, static_cast<size_t>(clear)),
             "ratio",
             {},
             AtLeast(0.95)});
  table.AddSamples("time to find such a change", delays, "s", AtMost(kFoundSeconds));
  table.Add({"false alarms, unchanged",
             evaluation.alarms / evaluation.workload_days,
             "a workload-day",
             {},
             AtMost(1 / kMonthDays)});
  table.Add({"alarms in half an hour before a change",
             share(before, evaluation.replaced.size()),
             "ratio",
             {},
             AtMost(0.001)});
  const auto alarmed = static_cast<int>(
      std::count_if(evaluation.scaled.begin(), evaluation.scaled.end(),
                    [](const InjectedChange& change) { return change.found_after_seconds.has_value(); }));
  table.Add(
      {"alarms when the load alone trebles", share(alarmed, evaluation.scaled.size()), "ratio", {}, AtMost(0.05)});
  table.AddSamples("error of the predicted demand, episodes seen before", evaluation.prediction_errors, "ratio",
                   AtMost(0.25));
  table.Add({"time for a report", 1e6 * evaluation.seconds_per_report, "us"});
  return table;
}

}  // namespace truce::lab
