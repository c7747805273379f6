#include "agent/predict/evidence_scorer.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"
#include "models/interference_correlation.h"
#include "src/base/text.h"

namespace truce::agent {
namespace {

// A pair that was not looked at for an hour of 5 s rounds belongs to workloads that are gone or long at peace.
constexpr uint64_t kForgetAfter = 720;
// Standard error that a slowdown estimate never goes below: signals are lower bounds and proxies.
constexpr double kLeastError = 0.02;

double Logistic(double x) {
  return 1 / (1 + std::exp(-x));
}

std::string Percent(double ratio) {
  return absl::StrFormat("%.0f %%", ratio * 100);
}

}  // namespace

Scores EvidenceScorer::Score(const Profiles& profiles, int least_samples, absl::Time now) {
  ++round_;
  Scores scores;
  for (const auto& [key, profile] : profiles) {
    WorkloadVerdict& verdict = scores.verdicts[key];
    verdict = Judge(profiles, least_samples, *profile, now, &scores.pairs);
    if (verdict.diagnosis != v1::DIAGNOSIS_HEALTHY) {
      healthy_from_.erase(key);
      continue;
    }
    const uint64_t from = healthy_from_.try_emplace(key, profile->samples_seen).first->second;
    verdict.healthy_samples = profile->samples_seen - from;
  }
  std::erase_if(healthy_from_, [&](const auto& entry) { return !profiles.contains(entry.first); });
  std::erase_if(remembered_, [this](const auto& entry) { return entry.second.round + kForgetAfter < round_; });
  return scores;
}

WorkloadVerdict EvidenceScorer::Judge(const Profiles& profiles, int least_samples, const Profile& victim,
                                      absl::Time now, std::vector<v1::PairScore>* pairs) {
  WorkloadVerdict verdict;
  const auto least = static_cast<uint64_t>(least_samples);
  if (victim.samples_seen < least) {
    verdict.diagnosis = v1::DIAGNOSIS_UNKNOWN;
    verdict.detail = StrCat("seen for ", victim.samples_seen, " of the ", least, " samples that a baseline needs");
    return verdict;
  }
  const Recent recent = Summarise(victim);
  const double reference = std::max(recent.usage, victim.usage.mean());
  if (reference < options_.least_victim_cores) {
    verdict.diagnosis = v1::DIAGNOSIS_UNKNOWN;
    verdict.detail = absl::StrFormat("uses %.2f CPUs, less than the %.2f from which a slowdown can be told", reference,
                                     options_.least_victim_cores);
    return verdict;
  }

  const std::vector<Outlier> outliers = FindOutliers(victim, &verdict);
  const double slowdown = *verdict.slowdown_ratio;
  const double stolen = recent.steal < 1 ? recent.steal / (1 - recent.steal) : 1;
  if (recent.throttled >= options_.own_quota_ratio) {
    verdict.diagnosis = v1::DIAGNOSIS_OWN_QUOTA;
    verdict.detail = StrCat("throttled by its own CPU quota in ", Percent(recent.throttled), " of the periods");
    return verdict;
  }
  if (recent.steal >= options_.steal_ratio && (outliers.empty() || slowdown < 2 * stolen)) {
    verdict.diagnosis = v1::DIAGNOSIS_STEAL;
    verdict.slowdown_ratio = std::max(slowdown, stolen);
    verdict.slowdown_since_onset = std::max(*verdict.slowdown_since_onset, stolen);
    verdict.detail = StrCat("the hypervisor takes ", Percent(recent.steal), " of the host's CPU time");
    return verdict;
  }
  if (outliers.empty()) {
    verdict.diagnosis = v1::DIAGNOSIS_HEALTHY;
    verdict.detail = "every signal is within its baseline";
    return verdict;
  }

  // Each signal has its own suspects (a disk hog is no CPU hog); a pair keeps the highest score that it gets.
  double best = 0;
  std::string blamed;
  for (const Outlier& outlier : outliers) {
    std::vector<v1::PairScore> found;
    const auto suspects = FindSuspects(profiles, victim, outlier);
    ScoreSuspects(victim, outlier, suspects, least, now, &found);
    for (v1::PairScore& pair : found) {
      if (pair.score() > best) {
        best = pair.score();
        blamed = pair.aggressor();
      }
      auto same = std::find_if(pairs->begin(), pairs->end(), [&](const v1::PairScore& other) {
        return other.victim() == pair.victim() && other.aggressor() == pair.aggressor();
      });
      if (same == pairs->end()) {
        pairs->push_back(std::move(pair));
      } else if (same->score() < pair.score()) {
        *same = std::move(pair);
      }
    }
  }
  const Outlier& worst = outliers.front();
  const Baseline& baseline = victim.signal(worst.signal);
  const std::string seen =
      StrCat(SignalMeaning(worst.signal),
             absl::StrFormat(": %.2f against %.2f +- %.2f", worst.observed, baseline.mean(), baseline.stddev()));
  // At half the logistic's way the correlation is just enough.
  if (best >= 25) {
    verdict.diagnosis = v1::DIAGNOSIS_NEIGHBOUR;
    verdict.detail = StrCat("slowed by about ", Percent(slowdown), ", most likely by ", blamed, " (", seen, ")");
  } else {
    verdict.diagnosis = v1::DIAGNOSIS_SELF;
    verdict.detail =
        StrCat("slower than usual by about ", Percent(slowdown), ", and no neighbour's use explains it (", seen, ")");
  }
  return verdict;
}

EvidenceScorer::Recent EvidenceScorer::Summarise(const Profile& profile) const {
  Recent recent;
  const size_t count = std::min(profile.window.size(), static_cast<size_t>(options_.recent_samples));
  for (size_t age = 0; age < count; ++age) {
    const Sample& sample = profile.window.back(age);
    recent.usage += sample.value_or(Reading::kCpuUsageCores, 0);
    recent.throttled += sample.value_or(Reading::kCpuThrottledRatio, 0);
    recent.steal += sample.value_or(Reading::kHostStealRatio, 0);
  }
  if (count > 0) {
    recent.usage /= static_cast<double>(count);
    recent.throttled /= static_cast<double>(count);
    recent.steal /= static_cast<double>(count);
  }
  return recent;
}

double EvidenceScorer::RecentMean(const Profile& profile, Reading reading) const {
  const size_t recent = std::min(profile.window.size(), static_cast<size_t>(options_.recent_samples));
  double sum = 0;
  for (size_t age = 0; age < recent; ++age) sum += profile.window.back(age).value_or(reading, 0);
  return recent > 0 ? sum / static_cast<double>(recent) : 0;
}

// The first of the signal's readings that everybody at work has: counters are given out by turns, and some workloads
// have none. The last when there is no such reading.
Reading EvidenceScorer::CommonReading(const Profiles& profiles, const Profile& victim, Signal signal) const {
  const std::vector<Reading>& readings = UsageReadings(signal);
  const auto everybody_has = [&](Reading reading) {
    return std::all_of(profiles.begin(), profiles.end(), [&](const auto& entry) {
      const Profile& profile = *entry.second;
      if (&profile == &victim || profile.window.size() == 0) return true;
      return profile.window.back(0).has(reading) || Summarise(profile).usage < options_.least_suspect_cores;
    });
  };
  const auto found = std::find_if(readings.begin(), readings.end(), everybody_has);
  return found == readings.end() ? readings.back() : *found;
}

// On a disk, where both have one unit, the heavier of reading and writing; else the common reading, where it has that.
std::optional<Reading> EvidenceScorer::MeasuredBy(const Profile& suspect, Signal signal, Reading common) const {
  std::optional<Reading> best;
  for (Reading reading : UsageReadings(signal)) {
    if (!suspect.window.back(0).has(reading)) continue;
    if (signal != Signal::kDiskStall && reading != common) continue;
    if (!best || RecentMean(suspect, reading) > RecentMean(suspect, *best)) best = reading;
  }
  return best;
}

std::vector<EvidenceScorer::Outlier> EvidenceScorer::FindOutliers(const Profile& victim,
                                                                  WorkloadVerdict* verdict) const {
  std::vector<Outlier> outliers;
  verdict->slowdown_ratio = 0;
  verdict->slowdown_since_onset = 0;
  for (Signal which : kSignals) {
    const Baseline& baseline = victim.signal(which);
    if (baseline.count() < 2) continue;
    const double threshold = baseline.Threshold(options_.outlier_sigmas);
    Outlier outlier;
    outlier.signal = which;
    double sum = 0;
    double slowdown_sum = 0;
    double slowdown_squares = 0;
    double since_onset = 0;
    int count = 0;
    for (size_t age = 0; age < victim.window.size() && age < static_cast<size_t>(options_.recent_samples); ++age) {
      const auto value = SignalValue(which, victim.window.back(age));
      if (!value) continue;
      const double slowed = SlowdownOf(which, baseline.mean(), *value);
      ++count;
      sum += *value;
      slowdown_sum += slowed;
      slowdown_squares += slowed * slowed;
      if (*value <= threshold) continue;
      ++outlier.count;
      // The oldest that lies beyond has the last word.
      since_onset = slowdown_sum / count;
    }
    if (count == 0) continue;
    outlier.observed = sum / count;
    // The victim's own mean slowdown; its standard error comes from the spread between samples.
    outlier.slowdown = slowdown_sum / count;
    const double variance = std::max(0.0, slowdown_squares / count - outlier.slowdown * outlier.slowdown);
    outlier.slowdown_error = std::max(kLeastError, std::sqrt(variance / count));
    if (outlier.slowdown >= *verdict->slowdown_ratio) {
      verdict->slowdown_ratio = outlier.slowdown;
      verdict->slowdown_since_onset = outlier.count >= options_.least_outliers ? since_onset : outlier.slowdown;
    }
    if (outlier.count >= options_.least_outliers) outliers.push_back(outlier);
  }
  std::sort(outliers.begin(), outliers.end(),
            [](const Outlier& a, const Outlier& b) { return a.slowdown > b.slowdown; });
  return outliers;
}

std::vector<EvidenceScorer::Suspect> EvidenceScorer::FindSuspects(const Profiles& profiles, const Profile& victim,
                                                                  const Outlier& outlier) {
  const double threshold = victim.signal(outlier.signal).Threshold(options_.outlier_sigmas);
  std::vector<double> signal;
  std::vector<size_t> ages;
  size_t quiet = 0;
  for (size_t age = 0; age < victim.window.size(); ++age) {
    if (auto value = SignalValue(outlier.signal, victim.window.back(age))) {
      signal.push_back(*value);
      ages.push_back(age);
      if (*value <= threshold) ++quiet;
    }
  }
  // A neighbour whose use is steady has a correlation of at most the share of samples in which the victim suffers (each
  // of them adds less than 1/n, every other one nothing or less). So while that share is below the least correlation,
  // no steady neighbour can look guilty; beyond it the window has no contrast left.
  const bool contrast =
      static_cast<double>(signal.size() - quiet) <= options_.least_correlation * static_cast<double>(signal.size());

  const Reading common = CommonReading(profiles, victim, outlier.signal);
  std::vector<Suspect> suspects;
  for (const auto& [key, profile] : profiles) {
    if (profile.get() == &victim || profile->window.size() == 0) continue;
    Suspect suspect;
    suspect.profile = profile.get();
    const auto reading = MeasuredBy(*profile, outlier.signal, common);
    if (!reading) continue;
    suspect.reading = *reading;
    if (Summarise(*profile).usage < options_.least_suspect_cores && suspect.reading == Reading::kCpuUsageCores)
      continue;
    suspect.usage = RecentMean(*profile, suspect.reading);
    if (suspect.usage <= 0) continue;
    suspects.push_back(suspect);
  }
  std::sort(suspects.begin(), suspects.end(), [](const Suspect& a, const Suspect& b) { return a.usage > b.usage; });
  if (suspects.size() > static_cast<size_t>(options_.most_suspects)) {
    suspects.resize(static_cast<size_t>(options_.most_suspects));
  }

  std::vector<double> usage(signal.size());
  for (Suspect& suspect : suspects) {
    const Window& window = suspect.profile->window;
    double free_usage = 0;
    for (size_t i = 0; i < ages.size(); ++i) {
      // Before it came, it used nothing. While an action of ours held it back, its use hurt nobody just because of
      // that: such samples would acquit it, and the contention would come back unseen when the action ends.
      const bool counts = ages[i] < window.size() && !window.back(ages[i]).under_action;
      usage[i] = counts ? window.back(ages[i]).value_or(suspect.reading, 0) : 0;
      free_usage += usage[i];
    }
    suspect.correlation = InterferenceCorrelation(signal, threshold, usage);
    Remembered& memory = remembered_[{victim.identity.key, suspect.profile->identity.key, outlier.signal}];
    const bool known = memory.round != 0;
    const bool telling = contrast && free_usage > 0;
    if (telling || !known) memory.correlation = suspect.correlation;
    memory.round = round_;
    if (!telling) {
      suspect.correlation = memory.correlation;
      suspect.remembered = true;
    }
    suspect.weight = suspect.correlation >= options_.least_correlation ? suspect.correlation * suspect.usage : 0;
  }
  return suspects;
}

void EvidenceScorer::ScoreSuspects(const Profile& victim, const Outlier& outlier, const std::vector<Suspect>& suspects,
                                   uint64_t least_samples, absl::Time now, std::vector<v1::PairScore>* pairs) const {
  const Baseline& baseline = victim.signal(outlier.signal);
  double weights = 0;
  for (const Suspect& suspect : suspects) weights += suspect.weight;
  for (const Suspect& suspect : suspects) {
    // A suspect that does not correlate enough is priced as if it were the only one, which its logistic then discounts.
    const double share = suspect.weight > 0 ? suspect.weight / weights : (weights > 0 ? 0.0 : 1.0);
    const double severity = outlier.slowdown * share;
    const double slowed = NormalTail(severity, outlier.slowdown_error, options_.slowdown_bound);
    const double guilty = Logistic((suspect.correlation - options_.least_correlation) / 0.05);
    const double score = 100 * slowed * guilty;
    if (score < options_.report_floor) continue;

    const double history =
        std::min(1.0, static_cast<double>(victim.samples_seen) / static_cast<double>(2 * least_samples));
    const double outlying = static_cast<double>(outlier.count) / options_.recent_samples;
    v1::PairScore& pair = pairs->emplace_back();
    pair.set_victim(victim.identity.name);
    pair.set_aggressor(suspect.profile->identity.name);
    pair.set_score(score);
    pair.set_severity(severity);
    pair.set_confidence(history * (0.5 + 0.5 * outlying) * (suspect.remembered ? 0.7 : 1.0));
    v1::Resource resource = SignalResource(outlier.signal);
    if (suspect.reading == Reading::kDramFillBytesPerSecond) resource = v1::RESOURCE_MEMORY_BANDWIDTH;
    pair.set_resource(resource);
    pair.set_source(v1::SCORE_SOURCE_EVIDENCE);
    *pair.mutable_scored_at() = google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(now));
    v1::Evidence& evidence = *pair.mutable_evidence();
    evidence.set_signal(std::string(SignalName(outlier.signal)));
    evidence.set_observed(outlier.observed);
    evidence.set_baseline_mean(baseline.mean());
    evidence.set_baseline_stddev(baseline.stddev());
    evidence.set_outlier_count(static_cast<uint32_t>(outlier.count));
    evidence.set_correlation(suspect.correlation);
    evidence.set_aggressor_usage(suspect.usage);
    evidence.set_usage_reading(std::string(ReadingName(suspect.reading)));
    evidence.set_victim_slowdown_ratio(outlier.slowdown);
    evidence.set_attributed_ratio(share);
    evidence.set_summary(
        StrCat("its ", SignalMeaning(outlier.signal),
               absl::StrFormat(" rose from %.2f +- %.2f to %.2f (%d of the last %d samples beyond the threshold), "
                               "and that moves with the neighbour's use at correlation %.2f",
                               baseline.mean(), baseline.stddev(), outlier.observed, outlier.count,
                               options_.recent_samples, suspect.correlation)));
  }
}

}  // namespace truce::agent
