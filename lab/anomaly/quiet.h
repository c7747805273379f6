// Made-up series in which nothing happens, to count false alarms on. Pure.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace truce::lab {

// Each is stationary but for a daily habit: nothing in it deserves an alarm.
enum class QuietKind {
  kConstant,
  kNormal,
  kLognormal,
  kAutoregressive,
  kDailyWave,
  kDailyJob,
  kCounts,
  kBursts,
};
const std::vector<QuietKind>& QuietKinds();
std::string_view QuietName(QuietKind kind);

// Values five minutes apart.
inline constexpr double kQuietSpacingSeconds = 300;
std::vector<double> QuietSeries(QuietKind kind, int weeks, uint64_t seed);

}  // namespace truce::lab
