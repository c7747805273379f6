// Scores pairs from what can be seen without a model (design: CPI2 with 1 s samples and more signals than CPI).
//
//   victim's signals ─► outlier? ─► triage (own quota, steal) ─► suspects by correlation ─► score per pair
//
// A victim is contended when a signal lies beyond its baseline by `outlier_sigmas` in `least_outliers` of the last
// `recent_samples` samples: CPI2's "three times in five minutes" with its samples of one minute, kept in number of
// samples. The estimated slowdown is divided among the suspects that correlate, by correlation x usage.
//   score = 100 x P(slowdown put down to the suspect >= 5 %) x logistic((correlation - 0.35) / 0.05)
// Tick thread only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "absl/time/time.h"
#include "agent/predict/scores.h"
#include "agent/profile/profiler.h"

namespace truce::agent {

struct EvidenceOptions {
  // Samples that make up "now".
  int recent_samples = 5;
  double outlier_sigmas = 2;
  int least_outliers = 3;
  // CPI2, section 4.2.
  double least_correlation = 0.35;
  // The slowdown that counts as being slowed.
  double slowdown_bound = 0.05;
  // A victim below this many cores, now and usually, is unknown.
  double least_victim_cores = 0.25;
  // A suspect below this many cores is none.
  double least_suspect_cores = 0.05;
  // At most so many suspects per victim, heaviest first.
  int most_suspects = 64;
  // Share of quota periods throttled beyond which a workload hurts itself.
  double own_quota_ratio = 0.1;
  // Share of CPU time stolen beyond which the hypervisor is to blame.
  double steal_ratio = 0.1;
  // Pairs below this score are not reported.
  double report_floor = 1;
};

class EvidenceScorer {
 public:
  explicit EvidenceScorer(EvidenceOptions options) : options_(options) {}
  // Looks at every victim; one with fewer than `least_samples` is unknown. `now` stamps the scores.
  Scores Score(const Profiles& profiles, int least_samples, absl::Time now);

 private:
  // The victim's signal that stands out most.
  struct Outlier {
    Signal signal = Signal::kCpuWait;
    double observed = 0;
    int count = 0;
    double slowdown = 0;
    double slowdown_error = 0;
  };
  struct Suspect {
    const Profile* profile = nullptr;
    Reading reading = Reading::kCpuUsageCores;
    double usage = 0;
    double correlation = 0;
    double weight = 0;
    bool remembered = false;
  };
  struct Recent {
    double usage = 0;
    double throttled = 0;
    double steal = 0;
  };

  WorkloadVerdict Judge(const Profiles& profiles, int least_samples, const Profile& victim, absl::Time now,
                        std::vector<v1::PairScore>* pairs);
  Recent Summarise(const Profile& profile) const;
  double RecentMean(const Profile& profile, Reading reading) const;
  // What all who may be to blame are measured by: use in different units cannot be shared out.
  Reading CommonReading(const Profiles& profiles, const Profile& victim, Signal signal) const;
  std::optional<Reading> MeasuredBy(const Profile& suspect, Signal signal, Reading common) const;
  // Fills the verdict's slowdowns too: those of the signal that says most.
  std::vector<Outlier> FindOutliers(const Profile& victim, WorkloadVerdict* verdict) const;
  std::vector<Suspect> FindSuspects(const Profiles& profiles, const Profile& victim, const Outlier& outlier);
  void ScoreSuspects(const Profile& victim, const Outlier& outlier, const std::vector<Suspect>& suspects,
                     uint64_t least_samples, absl::Time now, std::vector<v1::PairScore>* pairs) const;

  const EvidenceOptions options_;
  // Correlations from when the window still held quiet times to compare with: a contention that lasts longer than the
  // window would make every steady neighbour look guilty.
  struct Remembered {
    double correlation = 0;
    uint64_t round = 0;
  };
  // By victim, suspect and the victim's signal: a neighbour may hurt it on the disk and not on the CPU.
  std::map<std::tuple<uint64_t, uint64_t, Signal>, Remembered> remembered_;
  // By workload: its samples when it became healthy; absent while it is not.
  std::map<uint64_t, uint64_t> healthy_from_;
  uint64_t round_ = 0;
};

}  // namespace truce::agent
