// What a stream usually is at each time of day, where it has such a habit. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace truce {

// Means by half hour of the day over about the last four days. A stream has a habit while leaving it out makes the
// stream's squares at least 30 % smaller, so that a season is never forced onto one that has none.
class DailyHabit {
 public:
  // `value` less what is usual at `time_seconds`, or `value` itself while there is no habit; then learns it. `weight`,
  // within (0, 1], is of the newest value where the two are compared.
  double Beyond(double time_seconds, double value, double weight);

 private:
  static constexpr size_t kParts = 48;
  void Close();
  std::array<float, kParts> usual_{};
  std::array<uint8_t, kParts> days_{};
  // The part that is under way.
  size_t part_ = kParts;
  double sum_ = 0;
  double count_ = 0;
  // Mean squares with and without the habit.
  double plain_ = 0;
  double beyond_ = 0;
};

}  // namespace truce
