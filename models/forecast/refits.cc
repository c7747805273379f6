#include "models/forecast/refits.h"

#include <algorithm>

namespace truce {

size_t Refits::Run(absl::Span<Forecaster* const> forecasters) {
  constexpr int kMostKept = 10;
  left_ = std::min(left_ + budget_, kMostKept * budget_);
  size_t refitted = 0;
  for (size_t looked_at = 0; looked_at < forecasters.size() && left_ > absl::ZeroDuration(); ++looked_at) {
    Forecaster* const forecaster = forecasters[next_++ % forecasters.size()];
    next_ %= forecasters.size();
    if (!forecaster->WantsRefit()) continue;
    const absl::Duration begin = clock_->Monotonic();
    forecaster->Refit();
    left_ -= clock_->Monotonic() - begin;
    ++refitted;
  }
  return refitted;
}

}  // namespace truce
