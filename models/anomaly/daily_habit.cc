#include "models/anomaly/daily_habit.h"

#include <algorithm>
#include <cmath>

namespace truce {
namespace {

constexpr double kDaySeconds = 86400;
constexpr uint8_t kDaysAveraged = 4;
// A part is known from the second day on; once could be anything.
constexpr uint8_t kDaysKnown = 2;
constexpr double kWorthIt = 0.7;
// Squares count up to this, so that one outlier decides nothing.
constexpr double kMostSquare = 100;

}  // namespace

double DailyHabit::Beyond(double time_seconds, double value, double weight) {
  const double of_day = time_seconds / kDaySeconds - std::floor(time_seconds / kDaySeconds);
  const size_t part = std::min(static_cast<size_t>(of_day * kParts), kParts - 1);
  if (part != part_) {
    Close();
    part_ = part;
  }
  sum_ += value;
  ++count_;
  if (days_[part] < kDaysKnown) return value;
  const double rest = value - usual_[part];
  plain_ += weight * (std::min(value * value, kMostSquare) - plain_);
  beyond_ += weight * (std::min(rest * rest, kMostSquare) - beyond_);
  return beyond_ < kWorthIt * plain_ ? rest : value;
}

void DailyHabit::Close() {
  if (count_ > 0) {
    days_[part_] = std::min<uint8_t>(days_[part_] + 1, kDaysAveraged);
    usual_[part_] += static_cast<float>((sum_ / count_ - usual_[part_]) / days_[part_]);
  }
  sum_ = 0;
  count_ = 0;
}

}  // namespace truce
