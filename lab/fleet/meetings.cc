#include "lab/fleet/meetings.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "models/interference/example.h"
#include "models/judgement.h"
#include "src/base/text.h"

namespace truce::lab::fleet {
namespace {

// High: a thread on each of its CPUs that never rests. Low: one that rests 1.5 times as long as it works.
constexpr double kLowCores = 0.4;
constexpr double kLargestError = 4;
constexpr double kTolerance = 0.002;
constexpr int kHalvings = 16;

// CPUs of victim, aggressor and both together; who never rests; how many measured meetings were so.
struct Setting {
  int victim_cpus;
  int aggressor_cpus;
  int cpus;
  bool victim_high;
  bool aggressor_high;
  int count;
};
constexpr Setting kSettings[] = {{1, 1, 2, true, true, 38},  {1, 1, 2, true, false, 11},  {1, 1, 2, false, true, 10},
                                 {1, 1, 2, false, false, 2}, {1, 1, 1, true, true, 42},   {1, 1, 1, true, false, 7},
                                 {1, 1, 1, false, true, 6},  {1, 2, 2, true, true, 27},   {1, 2, 2, true, false, 10},
                                 {1, 2, 2, false, true, 18}, {1, 2, 2, false, false, 14}, {2, 1, 2, true, true, 29},
                                 {2, 1, 2, true, false, 19}, {2, 1, 2, false, true, 10},  {2, 1, 2, false, false, 10},
                                 {2, 2, 2, true, true, 10},  {2, 2, 2, true, false, 10},  {2, 2, 2, false, true, 10}};
// The machine, whichever of its CPUs they are on.
constexpr double kMachineCpus = 2;

double Cores(int cpus, bool high) {
  return high ? cpus : kLowCores;
}

Meeting Meet(const Truth& truth, const Setting& setting, size_t victim, size_t aggressor) {
  Presence pair[] = {{.application = static_cast<int32_t>(victim)}, {.application = static_cast<int32_t>(aggressor)}};
  pair[0].cpus = setting.victim_cpus;
  pair[1].cpus = setting.aggressor_cpus;
  pair[0].demand_cores = Cores(setting.victim_cpus, setting.victim_high);
  pair[1].demand_cores = Cores(setting.aggressor_cpus, setting.aggressor_high);
  Meeting meeting{.victim = victim, .aggressor = aggressor};
  meeting.apart = setting.victim_cpus + setting.aggressor_cpus == setting.cpus;
  meeting.busy = setting.victim_high && setting.aggressor_high;
  // CPU time on the CPUs that they have, everything else on the machine.
  const double granted = std::min(1.0, setting.cpus / (pair[0].demand_cores + pair[1].demand_cores));
  meeting.lacking = 1 / granted - 1;
  for (Presence& one : pair) one.demand_cores *= granted;
  HostTruth host(truth);
  std::vector<Suffering> sufferings;
  host.Suffer(kMachineCpus, pair, &sufferings);
  meeting.slowdown = meeting.lacking + sufferings[0].slowdown;
  meeting.share = sufferings[1].used_cores / kMachineCpus;
  meeting.load = LoadFactor(sufferings[0].used_cores, pair[0].cpus);
  return meeting;
}

}  // namespace

std::vector<Meeting> DrawMeetings(const Truth& truth, size_t count, std::mt19937_64& random) {
  std::vector<double> counts;
  for (const Setting& setting : kSettings) counts.push_back(setting.count);
  std::discrete_distribution<size_t> settings(counts.begin(), counts.end());
  std::normal_distribution<double> normal;
  std::uniform_int_distribution<size_t> applications(0, truth.applications() - 1);
  std::vector<Meeting> meetings;
  while (meetings.size() < count) {
    const size_t victim = applications(random);
    const size_t aggressor = applications(random);
    const size_t setting = settings(random);
    if (victim == aggressor) continue;
    meetings.push_back(Meet(truth, kSettings[setting], victim, aggressor));
    meetings.back().measured = (1 + meetings.back().slowdown) * std::exp(kLabelError * normal(random)) - 1;
  }
  return meetings;
}

MeetingFacts FactsOf(const std::vector<Meeting>& meetings) {
  MeetingFacts facts;
  double apart = 0;
  for (const Meeting& meeting : meetings) {
    const double slowed = meeting.measured >= kNoticedSlowdown ? 1 : 0;
    facts.slowed += slowed;
    facts.mean += meeting.measured;
    if (!meeting.apart || !meeting.busy) continue;
    apart += 1;
    facts.apart_slowed += slowed;
    facts.apart_mean += meeting.measured;
  }
  const auto all = static_cast<double>(meetings.size());
  return {facts.slowed / all, facts.mean / all, facts.apart_slowed / apart, facts.apart_mean / apart};
}

double Predict(const Knowledge& knowledge, const Meeting& meeting) {
  const Signature victim = knowledge.Said(meeting.victim);
  const Signature aggressor = knowledge.Said(meeting.aggressor);
  double sum = 0;
  for (size_t r = 0; r < kEffects; ++r) {
    sum += victim.suffers[r] * aggressor.hurts[r] / knowledge.mean_hurts[r];
  }
  // It errs in what CPU time is worth to them as it errs in the rest of their CPU use.
  const double suffers = victim.suffers[0] / knowledge.averages[meeting.victim].suffers[0];
  const double hurts = aggressor.hurts[0] / knowledge.averages[meeting.aggressor].hurts[0];
  return meeting.lacking * suffers * hurts + sum * meeting.share * meeting.load;
}

ModelMarks MarksOf(const Knowledge& knowledge, const std::vector<Meeting>& meetings) {
  std::vector<double> predicted;
  std::vector<double> labels;
  std::vector<bool> hurt;
  std::map<size_t, std::pair<std::vector<double>, std::vector<double>>> victims;
  for (const Meeting& meeting : meetings) {
    predicted.push_back(Predict(knowledge, meeting));
    labels.push_back(meeting.measured);
    hurt.push_back(meeting.measured >= kNoticedSlowdown);
    auto& [said, measured] = victims[meeting.victim];
    said.push_back(predicted.back());
    measured.push_back(meeting.measured);
  }
  double ranks = 0;
  for (const auto& [_, pairs] : victims) ranks += SpearmanCorrelation(pairs.first, pairs.second);
  return {Auc(predicted, hurt), MeanAbsoluteError(predicted, labels), ranks / static_cast<double>(victims.size())};
}

absl::StatusOr<ModelMarks> Calibrate(const std::vector<Meeting>& meetings, const ModelMarks& target,
                                     Knowledge* knowledge) {
  const auto bad_enough = [&](double error) {
    knowledge->error = error;
    const ModelMarks marks = MarksOf(*knowledge, meetings);
    return marks.auc <= target.auc + kTolerance && marks.error >= target.error - kTolerance &&
           marks.rank <= target.rank + kTolerance;
  };
  if (!bad_enough(kLargestError)) {
    return absl::FailedPreconditionError(
        StrCat("whatever is said of the applications, it is better than the shipped model (AUC ", target.auc,
               ", error ", target.error, ", rank correlation ", target.rank, "): the world is too simple"));
  }
  double low = 0;
  double high = kLargestError;
  if (bad_enough(0)) high = 0;
  for (int i = 0; i < kHalvings && high > 0; ++i) {
    const double middle = (low + high) / 2;
    (bad_enough(middle) ? high : low) = middle;
  }
  knowledge->error = high;
  return MarksOf(*knowledge, meetings);
}

}  // namespace truce::lab::fleet
