// What is set aside for a workload: its forecast, and headroom by what else is known of it (design: adjusted demand =
// forecast p95 + risk-weighted headroom). Pure. Any one resource, in its own unit.
#pragma once

#include <optional>

namespace truce {

struct DemandOutlook {
  // The newest demand, and of the largest one within the horizon the 95th percentile (Forecast::peaks).
  double newest = 0;
  double peak_p95 = 0;
  // Half the width of the band at the horizon: its 95th percentile less its median, at least 0.
  double spread = 0;
  // The workload's probability of hurting anybody on its host, 0-1.
  double risk = 0;
  // The demand left its band lately, so the forecast is worth less than it says.
  bool surprised = false;
  // What earlier drifts like the one under way did to the demand: 1.5 is half as much again. nullopt: it doesn't drift.
  std::optional<double> drift_factor;
  // Utilisation of the host, 0-1: how much of an increase there is room for.
  double utilisation = 0;
};

struct DemandLimits {
  // What the workload keeps in any case, and what it may have at most: its quota or limit, the policy's, the host's, or
  // the device's headroom, whichever is the lowest.
  double least = 0;
  std::optional<double> most;
};

struct AdjustedDemand {
  double demand = 0;
  // Its parts before the limits: forecast + by_risk + by_surprise + by_drift.
  double forecast = 0;
  double by_risk = 0;
  double by_surprise = 0;
  double by_drift = 0;
  // Whether a limit cut it, or raised it.
  bool limited = false;
};

// Headroom by risk is risk x spread: who may hurt others is given room up to the far side of its band before it comes
// to that. A surprise gives kSurprise x spread, and at least a tenth of the forecast. A drift that earlier ones say
// will raise the demand adds its increase x (1 - utilisation), so that a full host is not filled by a guess; one that
// lowers it adds nothing. Hostile numbers (NaN, infinite, negative) count as 0.
inline constexpr double kSurprise = 1.0;
AdjustedDemand Adjust(const DemandOutlook& outlook, const DemandLimits& limits);

}  // namespace truce
