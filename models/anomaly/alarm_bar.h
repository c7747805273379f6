// How significant something must be to raise an alarm, so that a series that is never quiet by its own measure still
// raises few. Pure.
#pragma once

#include <cstddef>

namespace truce {

// A bar that each alarm raises and that time lowers, as adaptive conformal inference steers its error rate (Gibbs and
// Candes 2021, equation 2): whatever the series does, significances up to s raise at most (s - lowest bar) / kRaise
// alarms ahead of kAlarmsAWeek. What follows an alarm closely is the same event, and alarms again only if it is much
// more significant.
class AlarmBar {
 public:
  // Alarms that the bar lets through for ever; a quiet series must not raise more than one a week.
  static constexpr double kAlarmsAWeek = 0.75;
  // What an alarm adds to the bar: those after it must be as many times rarer as e to this.
  static constexpr double kRaise = 1;

  // A sample came `elapsed_seconds` after the last; samples come every `spacing_seconds`.
  void Pass(double elapsed_seconds, double spacing_seconds);
  // What a significance (-log of a chance per sample) must reach now to be an alarm.
  double Height() const;
  // Whether it is one; raises the bar if it is.
  bool Judge(double significance);

 private:
  // -log of the chance that a sample has if there is to be kByChanceAWeek of it.
  double lowest_ = 0;
  // Alarms that were not yet paid off.
  double owed_ = 0;
  size_t since_alarm_ = static_cast<size_t>(-1);
  double last_alarm_ = 0;
};

}  // namespace truce
