#include "lab/forecast/recent_errors.h"

#include <algorithm>
#include <cmath>

namespace truce::lab {

void RecentErrors::Add(double error) {
  if (!std::isfinite(error)) return;
  if (ring_.size() < capacity_) {
    ring_.push_back(error);
  } else {
    sorted_.erase(std::lower_bound(sorted_.begin(), sorted_.end(), ring_[oldest_]));
    ring_[oldest_] = error;
    oldest_ = (oldest_ + 1) % capacity_;
  }
  sorted_.insert(std::upper_bound(sorted_.begin(), sorted_.end(), error), error);
}

void RecentErrors::Clear() {
  ring_.clear();
  sorted_.clear();
  oldest_ = 0;
}

double RecentErrors::Quantile(double quantile) const {
  const double last = static_cast<double>(sorted_.size());
  const double rank = std::clamp(quantile * (last + 1), 1.0, last);
  const size_t below = static_cast<size_t>(rank) - 1;
  const size_t above = std::min(below + 1, sorted_.size() - 1);
  return sorted_[below] + (rank - std::floor(rank)) * (sorted_[above] - sorted_[below]);
}

}  // namespace truce::lab
