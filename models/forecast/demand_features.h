// What the demand LSTM is told of a series at each step, the same in training and on a host. Everything is relative to
// the series' own level and to its own mean change from value to value, so that one network serves series of any unit
// and size, also ones that it never saw.
//
// The base layer is in it: exponential smoothing at three speeds (Brown 1959) and the value of a season ago. So is what
// a leading series of the same host has in store for it. Numbers far out are brought near by asinh, which is linear
// around 0 and logarithmic beyond.
//
// Pure; O(long window) per value, and bounded memory. One thread's.
#pragma once

#include <array>
#include <cstddef>
#include <utility>
#include <vector>

#include "models/forecast/demand_horizons.h"
#include "models/forecast/leader_push.h"

namespace truce {

// One reading and whether it is there, in the order of DemandFeatures::Current.
// The last of them tell what a leader has in store.
inline constexpr size_t kDemandPushInputs = kDemandHorizons.size() + 1;
inline constexpr size_t kDemandInputs = 25 + kDemandPushInputs;
using DemandInput = std::array<float, kDemandInputs>;

class DemandFeatures {
 public:
  // A season of so many steps (a day, or what was found in the series); 0: none is known.
  explicit DemandFeatures(size_t season_steps);

  // The next value; NaN when it is missing: the last one is taken in its place, and that is told. With what a leading
  // series (models/forecast/leaders.h) has in store for it; nothing where there is no leader.
  void Observe(double value) { Observe(value, {}); }
  void Observe(double value, const LeaderPush& push);
  // Of what was observed last; zeros before.
  const DemandInput& Current() const { return input_; }
  // The newest value that is known, and the mean change from value to value: the unit of what the network puts out.
  double newest() const { return newest_; }
  double unit() const { return unit_; }
  size_t seen() const { return seen_; }

 private:
  static constexpr size_t kShortWindow = 12;
  static constexpr size_t kLongWindow = 288;
  // Means over all that came forget after so many values, so that a series may change.
  static constexpr double kMostMeanValues = 2016;

  // The value of so many steps ago; 0 is the newest.
  double Ago(size_t steps) const;
  // The lowest and the highest of so many last values.
  std::pair<double, double> RangeOfLast(size_t count) const;
  void UpdateMeans(double value);
  void FillInput(double value, bool missing);
  void FillSeason(double value);
  void FillPush(const LeaderPush& push);
  float Scaled(double difference) const;

  size_t season_steps_;
  // The last values, oldest overwritten.
  std::vector<double> ring_;
  size_t seen_ = 0;
  double newest_ = 0;
  double unit_ = 0;
  // Exponential smoothing, fast to slow, and the means that forget last.
  std::array<double, 3> levels_ = {};
  double mean_ = 0;
  double mean_size_ = 0;
  double mean_change_ = 0;
  double last_change_ = 0;
  double unchanged_ratio_ = 0;
  double largest_ = 0;
  DemandInput input_ = {};
};

}  // namespace truce
