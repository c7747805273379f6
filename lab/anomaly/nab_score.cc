#include "lab/anomaly/nab_score.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace truce::lab {
namespace {

constexpr double kProbationRatio = 0.15;
constexpr size_t kProbationOf = 5000;

// What a detection at each point of a series is worth.
std::vector<NabPoint> Weigh(const NabSeries& series, const NabProfile& profile, size_t first_window) {
  std::vector<NabPoint> points(series.scores.size());
  size_t next = 0;
  for (size_t i = 0; i < points.size(); ++i) {
    points[i].score = series.scores[i];
    points[i].window = kNoWindow;
    while (next < series.windows.size() && series.windows[next].last < i) ++next;
    if (next < series.windows.size() && series.windows[next].first <= i) {
      const AnomalyWindow& window = series.windows[next];
      const auto width = static_cast<double>(window.last - window.first + 1);
      points[i].window = first_window + next;
      points[i].worth =
          profile.true_positive * NabSigmoid(-static_cast<double>(window.last - i + 1) / width) / NabSigmoid(-1);
      continue;
    }
    double worth = -1;
    if (next > 0) {
      const AnomalyWindow& window = series.windows[next - 1];
      const auto width = static_cast<double>(window.last - window.first);
      worth = width > 0 ? NabSigmoid(static_cast<double>(i - window.last) / width) : -1;
    }
    points[i].worth = profile.false_positive * worth;
  }
  return points;
}

}  // namespace

const std::vector<NabProfile>& NabProfiles() {
  static const auto* const profiles = new std::vector<NabProfile>{
      {"standard", 1, 0.11, 1}, {"reward_low_FP_rate", 1, 0.22, 1}, {"reward_low_FN_rate", 1, 0.11, 2}};
  return *profiles;
}

size_t NabProbation(size_t length) {
  return static_cast<size_t>(kProbationRatio * static_cast<double>(std::min(length, kProbationOf)));
}

double NabSigmoid(double x) {
  return x > 3 ? -1 : 2 / (1 + std::exp(5 * x)) - 1;
}

NabJudge::NabJudge(absl::Span<const NabSeries> series, const NabProfile& profile) : profile_(profile) {
  for (const NabSeries& one : series) {
    const std::vector<NabPoint> points = Weigh(one, profile, windows_);
    const size_t probation = NabProbation(points.size());
    points_.insert(points_.end(), points.begin() + static_cast<std::ptrdiff_t>(probation), points.end());
    for (size_t i = 0; i < one.windows.size(); ++i) {
      if (one.windows[i].last >= probation) counted_.push_back(windows_ + i);
    }
    windows_ += one.windows.size();
  }
  std::stable_sort(points_.begin(), points_.end(),
                   [](const NabPoint& a, const NabPoint& b) { return a.score > b.score; });
}

NabJudge::Marks NabJudge::At(double threshold) const {
  Marks marks;
  marks.threshold = threshold;
  std::vector<double> best(windows_, -std::numeric_limits<double>::infinity());
  for (const NabPoint& point : points_) {
    if (!(point.score >= threshold)) break;
    if (point.window != kNoWindow) {
      best[point.window] = std::max(best[point.window], point.worth);
    } else {
      marks.raw += point.worth;
      ++marks.false_positives;
    }
  }
  for (const size_t window : counted_) {
    if (best[window] > -std::numeric_limits<double>::infinity()) ++marks.windows_found;
    marks.raw += std::max(best[window], -profile_.false_negative);
  }
  marks.windows = counted_.size();
  marks.normalised = Normalise(marks.raw, marks.windows, profile_);
  return marks;
}

NabJudge::Marks NabJudge::Best() const {
  std::vector<double> best(windows_, -profile_.false_negative);
  double raw = -profile_.false_negative * static_cast<double>(counted_.size());
  double best_raw = raw;
  double best_threshold = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < points_.size(); ++i) {
    const NabPoint& point = points_[i];
    if (point.window == kNoWindow) {
      raw += point.worth;
    } else if (point.worth > best[point.window]) {
      raw += point.worth - best[point.window];
      best[point.window] = point.worth;
    }
    const bool last_of_its_score = i + 1 == points_.size() || points_[i + 1].score < point.score;
    if (last_of_its_score && raw > best_raw) {
      best_raw = raw;
      best_threshold = point.score;
    }
  }
  return At(best_threshold);
}

double NabJudge::Normalise(double raw, size_t windows, const NabProfile& profile) {
  if (windows == 0) return std::numeric_limits<double>::quiet_NaN();
  const double none = -profile.false_negative * static_cast<double>(windows);
  const double perfect = profile.true_positive * static_cast<double>(windows);
  return 100 * (raw - none) / (perfect - none);
}

}  // namespace truce::lab
