// Whether one workload has left its usual ways: a sequential test over its reports. Pure.
//
// Each trait's exponentially weighted mean (a multivariate EWMA chart: Lowry, Woodall, Champ and Rigdon 1992) is
// compared with what is usual for the workload. How far it swings is not derived from the spread of single reports,
// which would take them for independent: the swings of the mean itself are measured. How many independent ones that
// rests on comes from their autocorrelation (n (1 - r) / (1 + r): Bayley and Hammersley 1946), and sets the degrees of
// freedom of an F test as Hotelling's. So a workload of which little is known must go far to alarm.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "models/drift/behaviour.h"
#include "models/drift/robust_moments.h"

namespace truce {

// What the workloads of one application have in common: its baseline.
struct SharedBaseline {
  // Where their means are.
  RobustMoments levels;
  // How their means swing about what is usual for each.
  RobustMoments swings;
};

class DriftWatch {
 public:
  // What usual swings exceed in one report with this probability starts an alarm: at one report in 5 s that is once in
  // 19 months were all reports news, and four times in succession much less often. The room is for swings that are no
  // Gaussian's, of which a workload may see one a month.
  static constexpr double kSignificance = 1e-7;
  // So many reports in succession make an alarm.
  static constexpr int kSuccession = 4;
  // Reports before anything is said, and those that are remembered (an hour of them).
  static constexpr int kLeastLearned = 60;
  static constexpr int kMostLearned = 720;
  // Who stays changed for so long is usual by then: the drift ends, and the new ways are learned.
  static constexpr double kAdoptSeconds = 3600;
  // Who comes back sooner than this goes to and fro: what was seen is not told again.
  static constexpr double kFlapSeconds = 600;

  enum class News { kNone, kBegan, kCameBack, kAdopted };
  // One report; `seconds` never goes back. A behaviour without traits changes nothing. Learns, and has `shared` learn,
  // from reports that are usual.
  News Observe(double seconds, const Behaviour& behaviour, SharedBaseline* shared);

  bool drifting() const { return drifting_; }
  // Both while drifting: when it was first seen away, and when that was certain.
  double began_seconds() const { return away_since_; }
  double detected_seconds() const { return detected_at_; }
  int learned() const { return static_cast<int>(learned_); }
  // P of the last report's F; 1 while too little was learned.
  double significance() const { return significance_; }

  struct Shift {
    size_t trait = 0;
    // Values in the unit of the trait.
    double usual = 0;
    double now = 0;
    // In spreads of its usual swings.
    double deviation = 0;
  };
  // Of every trait that is known, the strongest first. Empty while too little was learned.
  std::vector<Shift> Shifts() const;
  // The same as numbers: where it is, less what is usual for it.
  Behaviour Move() const;
  // Length of the move by how the application's workloads differ and swing (Mahalanobis 1936); 0 or more.
  double Magnitude(const SharedBaseline& shared) const;

 private:
  struct Test {
    double f = 0;
    double traits = 0;
    double p = 1;
  };
  void Follow(const Behaviour& behaviour);
  Test Judge(const Behaviour& behaviour, const SharedBaseline& shared) const;
  double Variance(size_t trait, const TraitEstimate& swings) const;
  double Independent() const;
  void Learn(double seconds, const Behaviour& behaviour, double weight, SharedBaseline* shared);
  void Remember(const Test& test);
  News Alarm(double seconds, const Test& test);
  News WhileDrifting(double seconds, const Test& test);

  // Floats: there may be 200,000 of these.
  std::array<float, kTraitCount> level_{};
  std::array<float, kTraitCount> usual_{};
  std::array<float, kTraitCount> variance_{};
  std::array<float, kTraitCount> last_swing_{};
  // Reports that each trait was learned from.
  std::array<float, kTraitCount> learned_of_{};
  // What the swings' autocorrelation comes from.
  float lagged_ = 0;
  float squared_ = 0;
  float learned_ = 0;
  // The largest F that was no drift, fading; and the peak of the rise that may become one, for so many reports.
  float record_ = 0;
  float excursion_ = 0;
  int rising_ = 0;
  double significance_ = 1;
  double away_since_ = 0;
  double detected_at_ = 0;
  int succession_ = 0;
  int back_ = 0;
  unsigned reports_ = 0;
  bool drifting_ = false;
};

}  // namespace truce
