// A CPU quota that follows what a workload needs, second by second. Pure; one workload's and one thread's.
#pragma once

#include <deque>
#include <optional>

#include "absl/time/time.h"

namespace truce {

struct QuotaBounds {
  // In cores; 0 < least <= most.
  double least_cores = 0;
  double most_cores = 0;
  // What the quota has beyond the demand, as a share of it.
  double headroom_ratio = 0.2;
};

// What is known of the demand now, in cores.
struct CpuDemand {
  // Mean use since the last look; nullopt when it is missing.
  std::optional<double> used;
  // Share of the quota's periods in which the workload was throttled since then.
  double throttled_ratio = 0;
  // What forecasts say of the seconds ahead: the largest need that is likely. nullopt: nothing is foretold.
  std::optional<double> foretold;
};

// Up at once, down slowly: quota = (1 + headroom) x the largest of
//   what was used within kMemory, what is foretold, and, while it is throttled, the last quota x kProbe,
// because use under a quota does not tell the need. While nothing is known of its use, it gets all. Downwards at most
// kStepDown of the quota each kMemory, and changes under kDeadband of it are not made. The asymmetry is that of cgroup
// autoscalers (Rzadca et al., "Autopilot", EuroSys 2020, section 3.2: recent peaks weigh, limits fall slowly); looking
// ahead is what they lack.
class QuotaFollower {
 public:
  static constexpr absl::Duration kMemory = absl::Seconds(10);
  // Looks that follow each other faster count by their mean over so long: use within less is jitter.
  static constexpr absl::Duration kSpan = absl::Milliseconds(900);
  static constexpr double kProbe = 1.5;
  static constexpr double kStepDown = 0.3;
  static constexpr double kDeadband = 0.05;
  // Throttled in a smaller share of the periods is noise.
  static constexpr double kThrottled = 0.05;

  explicit QuotaFollower(const QuotaBounds& bounds) : bounds_(bounds) {}

  // The quota from `now` (monotonic, ascending) on, in cores. The first one is all that it may have: a workload must
  // not be cut before anything is known of it.
  double Update(absl::Duration now, const CpuDemand& demand);
  double quota_cores() const { return quota_cores_.value_or(bounds_.most_cores); }
  const QuotaBounds& bounds() const { return bounds_; }

 private:
  struct Used {
    absl::Duration at;
    double cores = 0;
  };
  QuotaBounds bounds_;
  std::optional<double> quota_cores_;
  absl::Duration lowered_at_;
  // Since the last entry.
  double sum_ = 0;
  int count_ = 0;
  absl::Duration taken_at_ = -absl::InfiniteDuration();
  // Within kMemory, cores descending.
  std::deque<Used> used_;
};

}  // namespace truce
