// Whether the newest value of a series is unlike its own past. Knows nothing of the series but what came before. Pure;
// an object is one series' and one thread's. `truce-lab anomalies` and `truce-lab evaluate anomalies` call it.
#pragma once

#include <array>
#include <cstddef>

#include "models/anomaly/alarm_bar.h"
#include "models/anomaly/daily_habit.h"
#include "models/anomaly/running_quantile.h"
#include "models/anomaly/tail.h"

namespace truce {

// Looks at a series in several ways at once: value, means over a short and a long while, and jump; in multiples of its
// mean distance from its median, which tells how far something rose, and in logarithms of that, which tell how far it
// fell and how a quiet part differs; less what is usual at the time of day. The tail of each (see tail.h) gives the
// chance of what is seen now; their harmonic mean p-value (Wilson 2019, PNAS 116, 1195: valid however they depend on
// each other) gives one significance, which the bar (see alarm_bar.h) turns into a score. As in Lavin and Ahmad 2015
// what counts is how unusual the recent past is, not how large one error is.
//
// Nothing alarms in the first two days. About 6 KB, less than 1 µs a value.
class AnomalyDetector {
 public:
  // At or above: an alarm. One event alarms once, at its onset; a change that stays becomes the usual.
  static constexpr double kThreshold = 0.5;

  // Times don't run backwards (one that does counts as if no time had passed) and may be unevenly spaced. The score of
  // `value`, 0 to 1: the odds that it is an anomaly, where kThreshold is as rare as a quiet series may alarm. 0 for a
  // value that is missing (NaN or infinite) and for the first.
  double Observe(double time_seconds, double value);

 private:
  // A mean that forgets, steady however values are spaced.
  struct FadingMean {
    double value = 0;
    void Add(double newest, double samples, double steps, double seen);
  };
  struct View;
  static constexpr size_t kViews = 9;
  // A sample came, whether its value is known or not.
  void Elapse(double time_seconds);
  // The significance of `value`, which is then learned.
  double Learn(double time_seconds, double value);
  void Follow(double value);

  size_t seen_ = 0;
  double begin_seconds_ = 0;
  double time_seconds_ = 0;
  double spacing_seconds_ = 0;
  // Samples since the last known value.
  double steps_ = 0;
  double last_value_ = 0;
  // Where the series usually is, and how far from there: median and mean.
  RunningQuantile middle_{0.5};
  RunningQuantile distance_{0.5};
  double mean_distance_ = 0;
  DailyHabit habit_;
  DailyHabit log_habit_;
  FadingMean short_;
  FadingMean long_;
  FadingMean log_short_;
  FadingMean log_long_;
  std::array<Tail, kViews> tails_;
  AlarmBar bar_;
};

}  // namespace truce
