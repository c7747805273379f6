// How hosts and workloads are put to pack::HostIndex, so that everybody who asks prices alike. Pure.
#pragma once

#include "controller/plan/pack/host_index.h"
#include "controller/plan/place/interference.h"
#include "controller/plan/place/resident.h"

namespace truce::controller {

// Adds up who is on a host: what is left of it, and how all there suffer and hurt. Two that compete for CPUs meet on
// one of so many, so on a host of N CPUs an effect through the CPU is an Nth of what it is on one.
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

// What a workload asks of a host.
pack::PlaceDemand DemandOn(const Resident& resident, const ApplicationEffects& effects);

}  // namespace truce::controller
