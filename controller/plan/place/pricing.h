// How hosts and workloads are put to pack::HostIndex, so that all who look for a host price alike. What runs is weighed
// otherwise (advise.h): a difference in fullness is no reason to move. Pure.
#pragma once

#include "controller/plan/pack/host_index.h"
#include "controller/plan/place/interference.h"
#include "controller/plan/place/resident.h"

namespace truce::controller {

// What placing weighs against each other, as slowdowns of a critical workload: to be on a host that is full, against
// one that is empty; and to be where a contention score of 100 is seen. The first was set by the simulated fleet
// (truce-lab fleet): up to there critical workloads gain, and beyond, best effort loses more than they gain. The second
// is a judgement: what is seen is worse than what is foretold, and may be over by the time the workload is there.
inline constexpr double kFullHostSlowdown = 0.02;
inline constexpr double kTroubleSlowdown = 0.1;

// How much of an effect there is on a host with so many CPUs: two that compete for CPUs meet on one of so many, so on N
// CPUs an effect through the CPU is an Nth of what it is on one.
inline double EffectShare(size_t effect, double cpus) {
  return effect == EffectOf(v1::RESOURCE_CPU) ? 1 / cpus : 1;
}
// What may be given away of what a host has of a resource: of CPU and memory `reserve_ratio` is kept for a host's
// failure.
inline double ToGive(size_t resource, double capacity, double reserve_ratio) {
  const bool kept = resource == kPlaceCpuCores || resource == kPlaceMemoryBytes;
  return kept ? capacity * (1 - reserve_ratio) : capacity;
}

// Adds up who is on a host: what is left of it, and how all there suffer and hurt.
class HostSum {
 public:
  // Of both CPU and memory `reserve_ratio` is kept free. `picture` outlives this; its residents are not added yet.
  HostSum(const HostPicture& picture, double reserve_ratio);
  // Takes room and nothing else.
  void Add(const pack::PlaceResources& coming);
  void Add(const Resident& resident, const ApplicationEffects& effects);
  const pack::PlaceHost& state() const { return state_; }

 private:
  double cpus_;
  pack::PlaceHost state_;
};

// What the workload hurts by, at its size.
inline pack::PlaceEffects HurtsOf(const Resident& resident, const ApplicationEffects& effects) {
  return HurtsOf(effects, resident.demand[kPlaceCpuCores]);
}
// What a workload asks of a host.
pack::PlaceDemand DemandOn(const Resident& resident, const ApplicationEffects& effects);

}  // namespace truce::controller
