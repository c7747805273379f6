#include "models/anomaly/alarm_bar.h"

#include <algorithm>
#include <cmath>

namespace truce {
namespace {

constexpr double kWeekSeconds = 7 * 86400;
// Alarms that a series which fits our model of it raises by chance: below kAlarmsAWeek, for models never fit.
constexpr double kByChanceAWeek = 0.4;
// Samples after an alarm that belong to its event, and what a second alarm in it must be more significant by.
constexpr size_t kEventSamples = 36;
constexpr double kWorse = 3;
constexpr double kLeastSpacing = 1e-3;

}  // namespace

void AlarmBar::Pass(double elapsed_seconds, double spacing_seconds) {
  owed_ = std::max(0.0, owed_ - kAlarmsAWeek * elapsed_seconds / kWeekSeconds);
  lowest_ = std::log(std::max(1.0, kWeekSeconds / std::max(spacing_seconds, kLeastSpacing)) / kByChanceAWeek);
  if (since_alarm_ < kEventSamples) ++since_alarm_;
}

double AlarmBar::Height() const {
  const double bar = lowest_ + kRaise * owed_;
  return since_alarm_ < kEventSamples ? std::max(bar, last_alarm_ + kWorse) : bar;
}

bool AlarmBar::Judge(double significance) {
  if (significance < Height()) return false;
  if (since_alarm_ >= kEventSamples) owed_ += 1;
  since_alarm_ = 0;
  last_alarm_ = significance;
  return true;
}

}  // namespace truce
