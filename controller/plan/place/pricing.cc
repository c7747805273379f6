#include "controller/plan/place/pricing.h"

#include <algorithm>

namespace truce::controller {
namespace {

// Of what nobody knows how much there is.
constexpr double kPlenty = 1e18;

}  // namespace

HostSum::HostSum(const HostPicture& picture, double reserve_ratio)
    : cpus_(std::max(1.0, picture.capacity[kPlaceCpuCores])) {
  state_.closed = !picture.closed.empty();
  state_.hurts[kTroubleOfCritical] = picture.worst_score_of_critical / 100;
  state_.hurts[kTroubleOfAny] = picture.worst_score / 100;
  for (size_t r = 0; r < kPlaceResourceCount; ++r) {
    state_.capacity[r] = std::max(0.0, picture.capacity[r]);
    state_.free[r] = state_.capacity[r] > 0 ? ToGive(r, state_.capacity[r], reserve_ratio) : kPlenty;
  }
}

void HostSum::Add(const pack::PlaceResources& coming) {
  for (size_t r = 0; r < kPlaceResourceCount; ++r) state_.free[r] -= coming[r];
}

void HostSum::Add(const Resident& resident, const ApplicationEffects& effects) {
  Add(resident.demand);
  const double weight = SlowdownWeight(resident.workload_class, resident.priority);
  const pack::PlaceEffects hurts = HurtsOf(resident, effects);
  for (size_t k = 0; k < kResourceEffects; ++k) {
    const double share = EffectShare(k, cpus_);
    state_.suffers[k] += share * weight * effects.suffers[k];
    state_.hurts[k] += share * hurts[k];
  }
}

pack::PlaceDemand DemandOn(const Resident& resident, const ApplicationEffects& effects) {
  pack::PlaceDemand demand;
  demand.demand = resident.demand;
  const double weight = SlowdownWeight(resident.workload_class, resident.priority);
  const pack::PlaceEffects hurts = HurtsOf(resident, effects);
  for (size_t k = 0; k < kResourceEffects; ++k) {
    demand.suffers[k] = weight * effects.suffers[k] / kFullHostSlowdown;
    demand.hurts[k] = hurts[k] / kFullHostSlowdown;
  }
  const bool critical = resident.workload_class == v1::WORKLOAD_CLASS_CRITICAL;
  demand.suffers[critical ? kTroubleOfCritical : kTroubleOfAny] = weight * kTroubleSlowdown / kFullHostSlowdown;
  return demand;
}

}  // namespace truce::controller
