#include "models/demand/quota_follower.h"

#include <algorithm>
#include <cmath>

namespace truce {

double QuotaFollower::Update(absl::Duration now, const CpuDemand& demand) {
  if (demand.used && std::isfinite(*demand.used)) {
    sum_ += std::max(*demand.used, 0.0);
    ++count_;
  }
  if (count_ > 0 && now - taken_at_ >= kSpan) {
    const double mean = sum_ / count_;
    while (!used_.empty() && used_.back().cores <= mean) used_.pop_back();
    used_.push_back({now, mean});
    sum_ = 0;
    count_ = 0;
    taken_at_ = now;
  }
  while (!used_.empty() && now - used_.front().at > kMemory) used_.pop_front();
  const auto bounded = [this](double cores) { return std::clamp(cores, bounds_.least_cores, bounds_.most_cores); };
  if (!quota_cores_) {
    quota_cores_ = bounds_.most_cores;
    lowered_at_ = now;
    return *quota_cores_;
  }
  double& quota = *quota_cores_;
  // Nothing is known of it any more, so it gets all that it may have.
  double need = used_.empty() ? bounds_.most_cores : used_.front().cores;
  if (demand.foretold && std::isfinite(*demand.foretold)) need = std::max(need, *demand.foretold);
  double wanted = (1 + bounds_.headroom_ratio) * need;
  if (demand.throttled_ratio >= kThrottled) wanted = std::max(wanted, kProbe * quota);
  wanted = bounded(wanted);
  if (wanted > quota) {
    // The last bit is given too, or it would stop short of what it may have.
    if (wanted - quota >= kDeadband * quota || wanted == bounds_.most_cores) {
      quota = wanted;
      lowered_at_ = now;
    }
    return quota;
  }
  if (quota - wanted < kDeadband * quota || now - lowered_at_ < kMemory) return quota;
  quota = bounded(std::max(wanted, (1 - kStepDown) * quota));
  lowered_at_ = now;
  return quota;
}

}  // namespace truce
