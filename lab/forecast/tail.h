// The newest values of a series, as methods keep them. Pure; one thread's.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace truce::lab {

class Tail {
 public:
  // Of so many values; at least 1.
  explicit Tail(size_t capacity) : values_(std::max<size_t>(1, capacity)) {}
  void Clear() {
    size_ = 0;
    last_known_ = std::numeric_limits<double>::quiet_NaN();
  }
  // NaN where it is missing.
  void Push(double value) {
    newest_ = (newest_ + 1) % values_.size();
    values_[newest_] = value;
    size_ = std::min(size_ + 1, values_.size());
    if (!std::isnan(value)) last_known_ = value;
  }
  size_t size() const { return size_; }
  // 0 is the newest; `back` < size().
  double Back(size_t back) const { return values_[(newest_ + values_.size() - back) % values_.size()]; }
  // However long ago it was; NaN when none ever was.
  double last_known() const { return last_known_; }

 private:
  std::vector<double> values_;
  size_t newest_ = 0;
  size_t size_ = 0;
  double last_known_ = std::numeric_limits<double>::quiet_NaN();
};

}  // namespace truce::lab
