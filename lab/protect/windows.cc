#include "lab/protect/windows.h"

#include <algorithm>
#include <cmath>

namespace truce::lab {
namespace {

constexpr double kStaysRatio = 0.8;
constexpr size_t kLeastStay = 4;

}  // namespace

double Pace(const Meter& meter, absl::Time begin, absl::Time end) {
  return meter.Done(begin, end).SecondsPerOperation().value_or(std::nan(""));
}

Performance Over(const Meter& meter, const std::vector<BoutWindow>& windows,
                 Performance (Meter::*count)(absl::Time, absl::Time) const) {
  Performance sum;
  for (const BoutWindow& window : windows) {
    const Performance one = (meter.*count)(window.begin, window.end);
    sum.operations += one.operations;
    sum.busy_seconds += one.busy_seconds;
  }
  return sum;
}

double Seconds(const std::vector<BoutWindow>& windows) {
  absl::Duration sum;
  for (const BoutWindow& window : windows) sum += window.end - window.begin;
  return absl::ToDoubleSeconds(sum);
}

double SecondsToProtect(const Meter& meter, absl::Time onset, const std::vector<BoutWindow>& windows) {
  std::vector<bool> well;
  for (const BoutWindow& window : windows) {
    const double pace = Pace(meter, window.begin, window.end);
    well.push_back(!std::isnan(pace) && pace <= kProtectedFactor * window.alone_pace);
  }
  for (size_t from = 0; from + kLeastStay <= well.size(); ++from) {
    const auto stays = std::count(well.begin() + static_cast<std::ptrdiff_t>(from), well.end(), true);
    const auto left = static_cast<double>(well.size() - from);
    if (!well[from] || static_cast<double>(stays) < kStaysRatio * left) continue;
    return std::max(0.0, absl::ToDoubleSeconds(windows[from].begin - onset));
  }
  return -1;
}

}  // namespace truce::lab
