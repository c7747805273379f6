// What every workload on the host will need, and when it is no longer what was foretold.
//
//   sample ─┬─► Rhythm (CPU, every sample) ───────────────────────► bursts of the next seconds
//           └─► mean of a step ─► DemandSeries (4 resources) ─────► forecasts, anomalies, errors
//
// Steps of different workloads end at different ticks, so that the work is spread. Tick thread only.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "agent/predict/demand_series.h"
#include "agent/profile/profiler.h"
#include "models/demand/rhythm.h"
#include "models/forecast/refits.h"
#include "src/base/clock.h"
#include "truce/v1/agent.pb.h"

namespace truce::agent {

struct DemandWatchOptions {
  // Length of a step; horizons are kDemandHorizons of them.
  absl::Duration step = absl::Seconds(30);
  // Errors are told so often, and at most so many at once (kDemandHorizons.size() at least), which keeps a report far
  // below what a controller accepts.
  absl::Duration errors_interval = absl::Minutes(5);
  size_t most_errors = 2'000;
  // After a demand left its band the margin over its forecast is wider for so long.
  absl::Duration widened = absl::Minutes(10);
  // What models that are fitted anew may cost a tick, in the long run.
  absl::Duration refit_budget = absl::Milliseconds(2);
  // After another model came, at most so many workloads go over to it a tick.
  int renewed_per_tick = 4;
  // Bursts are foretold so far ahead.
  absl::Duration burst_horizon = absl::Seconds(15);
  // What a sample spans; rhythms count in samples.
  absl::Duration sample_interval = absl::Seconds(1);
};

class DemandWatch {
 public:
  // `clock` outlives it.
  DemandWatch(const DemandWatchOptions& options, const Clock& clock)
      : options_(options), clock_(clock), refits_(&clock, options.refit_budget) {}

  // What makes forecasters from now on, and the SHA-256 (hex) of the model that is in it; empty for none. Those that
  // were made before are made anew at the ends of their steps, a few a tick.
  void UseModel(MakeDemandForecaster make, std::string model_sha256);
  // Takes the newest samples, ends the steps that are due; workloads that went away are forgotten. Nothing before the
  // first UseModel.
  void Tick(const Profiles& profiles);

  // Puts what was foretold since the last call into a workload's report, and the bursts that are near.
  void Fill(uint64_t key, v1::WorkloadReport* report);
  // Errors of the intervals that are over and were not taken yet, one for each application, resource and horizon. Where
  // there are too many for one call, the next ones go on with the others; none is lost for being late.
  std::vector<v1::ForecastErrors> TakeErrors();
  // "demand_jump" and "anomaly", with the workload and a sentence.
  std::vector<v1::Event> TakeEvents() { return std::exchange(events_, {}); }
  // The burst that a workload's rhythm foretells, in cores and samples.
  std::optional<NextBurst> BurstOf(uint64_t key) const;
  // Forecasts made so far, and workloads watched.
  uint64_t steps() const { return steps_; }
  size_t workloads() const { return slots_.size(); }

 private:
  // What makes forecasters, and the model that is in it.
  struct Maker {
    MakeDemandForecaster make;
    std::string model_sha256;
  };
  struct Slot {
    Slot();
    std::shared_ptr<const Maker> maker;
    std::array<DemandSeries, 4> series;
    // By series: until when its margin is wider, and whether it was foretold since it was last told.
    std::array<absl::Duration, 4> widened_until{};
    bool fresh = false;
    absl::Time made_at;
    Rhythm rhythm;
    int64_t step = 0;
    absl::Duration sampled_at = -absl::InfiniteDuration();
    uint64_t seen = 0;
  };
  // Model, application and series.
  using ErrorKey = std::tuple<std::string, std::string, size_t>;
  // Of those that wait to be told, at most: a full host has fewer.
  static constexpr size_t kMostWaiting = 100'000;

  void Take(const Profile& profile, Slot* slot);
  void EndStep(const Profile& profile, Slot* slot);
  void Tell(const Profile& profile, size_t series, const DemandStep& step, Slot* slot);
  // Ends an interval of errors: they wait to be told from now on.
  void EndErrors();
  void ToWire(const ErrorKey& key, const DueByHorizon& due, std::vector<v1::ForecastErrors>* all) const;

  const DemandWatchOptions options_;
  const Clock& clock_;
  std::shared_ptr<const Maker> maker_;
  Refits refits_;
  std::vector<Forecaster*> forecasters_;
  int renewals_left_ = 0;
  std::map<uint64_t, std::unique_ptr<Slot>> slots_;
  std::map<ErrorKey, DueByHorizon> due_;
  absl::Duration errors_ended_at_ = -absl::InfiniteDuration();
  std::map<ErrorKey, DueByHorizon> waiting_;
  // The last one that was told: those behind it are next.
  ErrorKey told_last_;
  std::vector<v1::Event> events_;
  uint64_t round_ = 0;
  uint64_t steps_ = 0;
};

}  // namespace truce::agent
