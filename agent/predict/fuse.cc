#include "agent/predict/fuse.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace truce::agent {
namespace {

constexpr double kClearedProbability = 0.02;
constexpr double kClearedConfidence = 0.5;
constexpr double kWellProbability = 0.05;
constexpr double kWellConfidence = 0.3;
constexpr double kLongWellConfidence = 0.9;
constexpr double kLongWellSamples = 30;
// What is clear to see is not acted on (the shipped policy acts from 60), however sure the model is.
constexpr double kMostWhenCleared = 0.5;

double Logit(double probability) {
  const double bounded = std::clamp(probability, 1e-4, 1 - 1e-4);
  return std::log(bounded / (1 - bounded));
}

// One side's opinion of a pair.
struct Opinion {
  double probability = 0;
  double severity = 0;
  double confidence = 0;
  // What may come out at most when this one is heard.
  double most = 1;
};

// Two opinions as one; a side without confidence has no say. The confidence is the surer side's: that they differ is in
// the probability.
Opinion Pool(const Opinion& a, const Opinion& b) {
  const double sum = a.confidence + b.confidence;
  if (sum <= 0) return {};
  const double logit = (a.confidence * Logit(a.probability) + b.confidence * Logit(b.probability)) / sum;
  return {std::min({1 / (1 + std::exp(-logit)), a.most, b.most}),
          (a.confidence * a.severity + b.confidence * b.severity) / sum, std::max(a.confidence, b.confidence)};
}

// What evidence says of a pair that it did not score.
Opinion Unscored(const WorkloadVerdict& verdict, const FuseWorkload& victim, const FuseWorkload& aggressor,
                 uint64_t least_samples) {
  if (aggressor.under_action) return {};
  if (verdict.diagnosis == v1::DIAGNOSIS_NEIGHBOUR || verdict.diagnosis == v1::DIAGNOSIS_SELF) {
    return {kClearedProbability, 0, kClearedConfidence, kMostWhenCleared};
  }
  // What a victim has always suffered is usual to it.
  const bool knows_better = victim.samples_seen >= aggressor.busy_samples + least_samples;
  const uint64_t well_samples = std::min(aggressor.busy_samples, verdict.healthy_samples);
  const double share = knows_better ? std::min(1.0, static_cast<double>(well_samples) / kLongWellSamples) : 0;
  return {kWellProbability, 0, kWellConfidence + share * (kLongWellConfidence - kWellConfidence),
          share >= 1 ? kMostWhenCleared : 1};
}

bool IsSound(const ModelScore& score) {
  return std::isfinite(score.probability) && std::isfinite(score.log_slowdown) && std::isfinite(score.reach) &&
         std::isfinite(score.confidence);
}

// Leaves the highest of the pairs that only the model speaks of.
void KeepHighest(const std::set<std::string_view>& held, const FuseOptions& options, Scores* scores) {
  std::vector<v1::PairScore>& pairs = scores->pairs;
  const auto always = [&held](const v1::PairScore& pair) {
    return pair.source() != v1::SCORE_SOURCE_MODEL || held.contains(pair.aggressor());
  };
  const auto ordinary = std::partition(pairs.begin(), pairs.end(), always);
  std::sort(ordinary, pairs.end(), [](const auto& a, const auto& b) { return a.score() > b.score(); });
  std::map<std::string, size_t> of_victim;
  size_t kept = 0;
  const auto end = std::remove_if(ordinary, pairs.end(), [&](const v1::PairScore& pair) {
    if (kept >= options.most_pairs || of_victim[pair.victim()] >= options.most_per_victim) return true;
    ++kept;
    ++of_victim[pair.victim()];
    return false;
  });
  scores->pairs_left_out = static_cast<uint64_t>(pairs.end() - end);
  pairs.erase(end, pairs.end());
}

bool MayBeScored(const WorkloadVerdict& victim) {
  return victim.diagnosis == v1::DIAGNOSIS_HEALTHY || victim.diagnosis == v1::DIAGNOSIS_NEIGHBOUR ||
         victim.diagnosis == v1::DIAGNOSIS_SELF;
}

void Write(const Opinion& opinion, v1::PairScore* pair) {
  pair->set_score(100 * opinion.probability);
  pair->set_severity(opinion.severity);
  pair->set_confidence(std::clamp(opinion.confidence, 0.0, 1.0));
}

// The model's interval, as wide in proportion, around a severity that evidence may have had a say in.
void WriteInterval(const ModelScore& score, double severity, v1::PairScore* pair) {
  pair->set_severity_low(std::max(0.0, (1 + severity) * std::exp(-score.reach) - 1));
  pair->set_severity_high((1 + severity) * std::exp(score.reach) - 1);
}

}  // namespace

Scores Fuse(Scores evidence, const std::vector<ModelScore>& model, const std::map<uint64_t, FuseWorkload>& workloads,
            const FuseOptions& options, absl::Time now) {
  if (options.from == ScoreFrom::kEvidence) return evidence;
  std::map<std::pair<std::string_view, std::string_view>, size_t> scored;
  for (size_t i = 0; i < evidence.pairs.size(); ++i) {
    scored[{evidence.pairs[i].victim(), evidence.pairs[i].aggressor()}] = i;
  }
  std::vector<v1::PairScore> pairs;
  std::set<size_t> used;
  const auto stamp = google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(now));
  for (const ModelScore& score : model) {
    const auto victim = workloads.find(score.victim);
    const auto aggressor = workloads.find(score.aggressor);
    const auto verdict = evidence.verdicts.find(score.victim);
    if (victim == workloads.end() || aggressor == workloads.end() || verdict == evidence.verdicts.end()) continue;
    if (!MayBeScored(verdict->second) || !IsSound(score) || score.confidence < options.least_confidence) continue;
    const Opinion learned{score.probability, score.severity(), score.confidence};
    v1::PairScore pair;
    Opinion opinion = learned;
    pair.set_source(v1::SCORE_SOURCE_MODEL);
    pair.set_resource(score.resource);
    const auto found = scored.find({victim->second.name, aggressor->second.name});
    if (options.from == ScoreFrom::kBoth && found != scored.end()) {
      pair = evidence.pairs[found->second];
      used.insert(found->second);
      const Opinion seen{pair.score() / 100, pair.severity(), pair.confidence()};
      opinion = Pool(learned, seen);
      pair.set_source(v1::SCORE_SOURCE_BOTH);
    } else if (options.from == ScoreFrom::kBoth) {
      opinion = Pool(learned, Unscored(verdict->second, victim->second, aggressor->second, options.least_samples));
      opinion.confidence = learned.confidence;
    }
    if (100 * opinion.probability < options.report_floor) continue;
    pair.set_victim(victim->second.name);
    pair.set_aggressor(aggressor->second.name);
    *pair.mutable_scored_at() = stamp;
    Write(opinion, &pair);
    WriteInterval(score, opinion.severity, &pair);
    pairs.push_back(std::move(pair));
  }
  // What the model is not sure of, evidence says alone.
  for (size_t i = 0; i < evidence.pairs.size(); ++i) {
    if (options.from == ScoreFrom::kBoth && !used.contains(i)) pairs.push_back(std::move(evidence.pairs[i]));
  }
  evidence.pairs = std::move(pairs);
  std::set<std::string_view> held;
  for (const auto& [key, workload] : workloads) {
    if (workload.under_action) held.insert(workload.name);
  }
  KeepHighest(held, options, &evidence);
  return evidence;
}

}  // namespace truce::agent
