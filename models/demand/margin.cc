#include "models/demand/margin.h"

#include <algorithm>
#include <cmath>

namespace truce {
namespace {

constexpr double kLeastSurpriseRatio = 0.1;
// An episode that says more is no guide.
constexpr double kLargestDrift = 4;

double Sound(double value) {
  return std::isfinite(value) ? std::max(value, 0.0) : 0;
}

}  // namespace

AdjustedDemand Adjust(const DemandOutlook& outlook, const DemandLimits& limits) {
  AdjustedDemand adjusted;
  adjusted.forecast = Sound(outlook.peak_p95);
  const double spread = Sound(outlook.spread);
  adjusted.by_risk = std::min(Sound(outlook.risk), 1.0) * spread;
  if (outlook.surprised) {
    adjusted.by_surprise = std::max(kSurprise * spread, kLeastSurpriseRatio * adjusted.forecast);
  }
  if (outlook.drift_factor) {
    const double increase = std::clamp(Sound(*outlook.drift_factor) - 1, 0.0, kLargestDrift - 1);
    adjusted.by_drift = Sound(outlook.newest) * increase * (1 - std::min(Sound(outlook.utilisation), 1.0));
  }
  const double wanted = adjusted.forecast + adjusted.by_risk + adjusted.by_surprise + adjusted.by_drift;
  adjusted.demand = std::max(wanted, Sound(limits.least));
  if (limits.most) adjusted.demand = std::min(adjusted.demand, Sound(*limits.most));
  adjusted.limited = adjusted.demand != wanted;
  return adjusted;
}

}  // namespace truce
