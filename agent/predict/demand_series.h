// What one workload will need of one resource: readings come in, step by step forecasts go out, and each is held to
// what came of it. Tick thread only.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "models/anomaly/anomaly_detector.h"
#include "models/forecast/demand_horizons.h"
#include "models/forecast/forecaster.h"

namespace truce::agent {

// The quantiles that are asked for, and where they stand in it.
inline constexpr std::array<double, 4> kToldQuantiles = {0.5, 0.9, 0.95, 0.99};
inline constexpr size_t kToldMedian = 0;
inline constexpr size_t kToldP95 = 2;
inline constexpr size_t kToldP99 = 3;

// Forecasts of one horizon that came due, added up; v1::ForecastErrors says what each is.
struct DueErrors {
  uint64_t count = 0;
  double loss = 0;
  double naive_loss = 0;
  double squared_gain = 0;
  uint64_t above_p95 = 0;

  DueErrors& operator+=(const DueErrors& other);
};
using DueByHorizon = std::array<DueErrors, kDemandHorizons.size()>;

// What a step brought.
struct DemandStep {
  // The step's mean; NaN when nothing was read.
  double value = 0;
  // It lies beyond what was foretold, by more than its 99th percentile allows; `most` is that bound.
  bool left_band = false;
  double most = 0;
  // It is unlike its own past (AnomalyDetector), and was not a moment ago.
  bool anomaly = false;
  double anomaly_score = 0;
};

using MakeDemandForecaster = std::function<std::unique_ptr<Forecaster>()>;

class DemandSeries {
 public:
  // `least_jump` is the smallest change that is worth a word, in the readings' unit.
  explicit DemandSeries(double least_jump) : least_jump_(least_jump) {}

  // One reading of the step under way.
  void Add(double value);
  // Ends the step, which is `step_seconds` long and ended at `seconds` (ascending); makes the next forecast. The
  // forecaster is made by `make` once there is something to make it of, and is given a first value and what came since,
  // so that making it is cheap; what is due is added to *due.
  DemandStep EndStep(double seconds, double step_seconds, const MakeDemandForecaster& make, DueByHorizon* due);
  // Another model takes over: the forecaster is made anew of the last values at the next step, and what its predecessor
  // said is not held to it.
  void Renew();

  // Of kDemandHorizons' farthest steps; null while nothing can be said.
  const Forecast* forecast() const { return forecast_.steps > 0 ? &forecast_ : nullptr; }
  // What forecasts it; null while nothing does.
  Forecaster* forecaster() const { return forecaster_.get(); }
  double newest() const { return newest_; }
  double anomaly_score() const { return anomaly_score_; }

 private:
  // With fewer values nothing is said: two make a change, and one more tells how usual it is.
  static constexpr size_t kLeastValues = 3;
  // Values that a new forecaster sees before it is asked: what tells its level and how it moves.
  static constexpr size_t kHistory = 48;
  // Anomalies are looked for in means over so many seconds, as AnomalyDetector's bar was measured.
  static constexpr double kAnomalyStep = 300;

  struct Told {
    double newest = 0;
    std::array<float, kDemandHorizons.size()> median{};
    std::array<float, kDemandHorizons.size()> p95{};
  };
  void Judge(double value, DueByHorizon* due) const;
  void Foretell(const MakeDemandForecaster& make, double value);
  void LookForAnomaly(double seconds, double step_seconds, double value, DemandStep* step);

  double least_jump_;
  double sum_ = 0;
  int count_ = 0;
  double newest_ = 0;
  std::deque<float> history_;
  size_t known_ = 0;
  std::unique_ptr<Forecaster> forecaster_;
  Forecast forecast_;
  // Newest first.
  std::deque<Told> told_;
  // Mean change from step to step.
  double change_ = 0;
  double changes_ = 0;
  AnomalyDetector detector_;
  double detector_sum_ = 0;
  int detector_count_ = 0;
  double detector_seconds_ = 0;
  double anomaly_score_ = 0;
};

}  // namespace truce::agent
