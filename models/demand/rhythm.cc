#include "models/demand/rhythm.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace truce {
namespace {

// The range of a demand with bursts: its top is at least so much over its bottom, and at least so much of the top.
constexpr double kLeastRange = 0.05;
constexpr double kLeastRangeRatio = 0.3;
// Two distances agree when they differ by at most so much of the longer, or by so many samples.
constexpr double kJitterRatio = 0.1;
constexpr double kJitter = 2;
// Bursts begin less than this apart: one that flickers.
constexpr int64_t kLeastDistance = 5;
// Samples from which levels are told.
constexpr size_t kLeastWindow = 60;

bool Agree(double a, double b) {
  return std::fabs(a - b) <= std::max(kJitter, kJitterRatio * std::max(a, b));
}

double Percentile(std::vector<float>* values, double share) {
  const auto at = values->begin() + static_cast<ptrdiff_t>(share * static_cast<double>(values->size() - 1));
  std::nth_element(values->begin(), at, values->end());
  return *at;
}

}  // namespace

void Rhythm::Observe(double value) {
  ++now_;
  if (!std::isfinite(value)) return;
  if (window_.size() < kWindow) {
    window_.push_back(static_cast<float>(value));
  } else {
    window_[next_] = static_cast<float>(value);
    next_ = (next_ + 1) % kWindow;
  }
  if (now_ % kLookEvery == 0) FindLevels();
  if (!begins_at_) return;
  if (in_burst_ && value < ends_at_) in_burst_ = false;
  if (!in_burst_ && value >= *begins_at_) Begin(value);
  if (!in_burst_) return;
  Burst& burst = bursts_.back();
  burst.length = now_ - burst.began + 1;
  burst.peak = std::max(burst.peak, value);
}

void Rhythm::FindLevels() {
  if (window_.size() < kLeastWindow) return;
  std::vector<float> values = window_;
  const double high = Percentile(&values, 0.98);
  const double low = Percentile(&values, 0.2);
  const double range = high - low;
  if (range < kLeastRange || range < kLeastRangeRatio * high) {
    begins_at_.reset();
    in_burst_ = false;
    return;
  }
  begins_at_ = low + 0.5 * range;
  ends_at_ = low + 0.3 * range;
}

void Rhythm::Begin(double value) {
  in_burst_ = true;
  // The end of the last one was a dip.
  if (!bursts_.empty() && now_ - bursts_.back().began < kLeastDistance) return;
  bursts_.push_back({now_, 1, value});
  if (bursts_.size() > kMostBursts) bursts_.pop_front();
}

std::pair<double, int> Rhythm::Distance() const {
  const auto distance = [this](size_t back) {  // from the burst `back` + 1 ago to that `back` ago
    const size_t at = bursts_.size() - 1 - back;
    return static_cast<double>(bursts_[at].began - bursts_[at - 1].began);
  };
  const size_t distances = bursts_.empty() ? 0 : bursts_.size() - 1;
  for (size_t turn = 1; turn <= kLongestTurn; ++turn) {
    // In turns, one more round has to agree: chance makes pairs.
    const size_t needed = turn == 1 ? kLeastSeen - 1 : 3 * turn;
    if (distances < needed) break;
    size_t agreed = turn;
    while (agreed < distances && Agree(distance(agreed), distance(agreed - turn))) ++agreed;
    if (agreed < needed) continue;
    // The median of those at the same place in their turn.
    std::vector<double> same;
    for (size_t back = turn - 1; back < agreed; back += turn) same.push_back(distance(back));
    std::nth_element(same.begin(), same.begin() + static_cast<ptrdiff_t>(same.size() / 2), same.end());
    return {same[same.size() / 2], static_cast<int>(agreed) + 1};
  }
  return {0, 0};
}

double Rhythm::Peak() const {
  std::vector<double> peaks;
  for (size_t i = bursts_.size() > 8 ? bursts_.size() - 8 : 0; i < bursts_.size(); ++i)
    peaks.push_back(bursts_[i].peak);
  std::sort(peaks.begin(), peaks.end());
  return peaks[peaks.size() - (peaks.size() > 4 ? 2 : 1)];
}

std::optional<NextBurst> Rhythm::Next(double within) const {
  if (!begins_at_ || bursts_.empty()) return std::nullopt;
  const auto [distance, seen] = Distance();
  if (seen == 0) return std::nullopt;
  const double since = static_cast<double>(now_ - bursts_.back().began);
  const NextBurst next{distance - since, Peak(), distance, seen};
  // Under way: what it is may still be to come.
  if (in_burst_ && since < distance / 2) return NextBurst{-since, next.peak, distance, seen};
  // One that is overdue by more than distances vary does not come any more, or has changed its ways.
  const double late = std::max(kJitter, kJitterRatio * distance) + 1;
  if (next.begins_in > within || next.begins_in < -late) return std::nullopt;
  return NextBurst{std::max(next.begins_in, 0.0), next.peak, distance, seen};
}

}  // namespace truce
