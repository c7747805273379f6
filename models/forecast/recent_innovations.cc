#include "models/forecast/recent_innovations.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace truce {

void RecentInnovations::Add(double innovation) {
  if (!std::isfinite(innovation)) return;
  constexpr float kLargest = std::numeric_limits<float>::max();
  const auto value = static_cast<float>(std::clamp<double>(innovation, -kLargest, kLargest));
  size_t at = count_;
  if (count_ == kMost) {
    at = static_cast<size_t>(std::find(born_.begin(), born_.end(), next_) - born_.begin());
  } else {
    ++count_;
  }
  // The place is moved to where the new one belongs.
  for (; at > 0 && sorted_[at - 1] > value; --at) {
    sorted_[at] = sorted_[at - 1];
    born_[at] = born_[at - 1];
  }
  for (; at + 1 < count_ && sorted_[at + 1] < value; ++at) {
    sorted_[at] = sorted_[at + 1];
    born_[at] = born_[at + 1];
  }
  sorted_[at] = value;
  born_[at] = next_;
  next_ = static_cast<uint8_t>((next_ + 1) % kMost);
}

}  // namespace truce
