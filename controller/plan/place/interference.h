// What applications do to each other, as prices need it: by effect, from the signatures that agents report. Pure.
//
// With usual_r what the programs that the model learned from do to each other through resource r in the mean, a victim
// v is expected to be slowed by an aggressor a through r by
//   suffers_r(v) x hurts_r(a) / usual_r
// which is right where the effects of pairs have rank one: how hungry the one is times how sensitive the other. Both
// halves are divided by the root of usual_r here, so that the product alone remains. What that becomes once more is
// known of a fleet says known_effects.h.
#pragma once

#include <cstddef>

#include "controller/plan/pack/host_index.h"
#include "truce/v1/types.pb.h"

namespace truce::controller {

// Where an effect stands in pack::PlaceEffects: those of resources first, in the order of v1::Resource.
inline constexpr size_t kResourceEffects = v1::RESOURCE_NETWORK;
// Trouble that is seen on a host, model or none: the worst contention score there, 0-1, of a critical victim, and of
// any. A newcomer suffers it, and causes none.
inline constexpr size_t kTroubleOfCritical = kResourceEffects;
inline constexpr size_t kTroubleOfAny = kResourceEffects + 1;
static_assert(kTroubleOfAny < pack::kMostPlaceEffects);

constexpr size_t EffectOf(v1::Resource resource) {
  return static_cast<size_t>(resource) - v1::RESOURCE_CPU;
}

struct ApplicationEffects {
  pack::PlaceEffects suffers{};
  pack::PlaceEffects hurts{};
  // CPU of its workloads, in the mean: the size that `hurts` is of. 0: not known, and all are taken to be as large.
  double cores = 0;
  // Whether it comes from a signature of the application; else it is a usual one's.
  bool known = false;
};

// Of a signature whose agent doesn't say what is usual nothing is taken. Each half is at most 10.
ApplicationEffects EffectsOf(const v1::Signature& signature);
// Of an application that nothing is known of, where others are signed like `signature`.
ApplicationEffects UsualEffects(const v1::Signature& signature);

// What a slowdown of such a workload weighs: 1 for critical, 0.5 for standard, 0.25 for best effort, and up to a
// quarter more or less by its priority within +-100, so that no priority outweighs a class.
double SlowdownWeight(v1::WorkloadClass workload_class, int priority);

// What a workload of the application hurts by that uses so many cores (0: nobody knows, and it is one like the others):
// who works twice as much as others of its kind presses twice as hard on what they share, but at most 10 times as hard
// or as little.
pack::PlaceEffects HurtsOf(const ApplicationEffects& effects, double cores);

// Sum over effects of the product: what `suffers` loses to `hurts`.
double Loss(const pack::PlaceEffects& suffers, const pack::PlaceEffects& hurts);

}  // namespace truce::controller
