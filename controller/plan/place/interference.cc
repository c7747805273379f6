#include "controller/plan/place/interference.h"

#include <algorithm>
#include <cmath>

#include "controller/fleet/words.h"

namespace truce::controller {
namespace {

// No agent may outweigh everybody else by what it claims: beyond that it is as bad as it gets.
constexpr double kMostHalf = 10;
// Less than that is nothing between usual programs, and a quotient by it would be noise.
constexpr double kLeastUsual = 1e-4;

template <typename Set>
ApplicationEffects Effects(const v1::Signature& signature, Set set) {
  ApplicationEffects effects;
  for (const v1::ResourceEffect& effect : signature.resources()) {
    if (!v1::Resource_IsValid(effect.resource()) || effect.resource() == v1::RESOURCE_UNSPECIFIED) continue;
    if (effect.usual_ratio() < kLeastUsual) continue;
    const size_t k = EffectOf(effect.resource());
    set(effect, std::sqrt(effect.usual_ratio()), &effects.suffers[k], &effects.hurts[k]);
  }
  return effects;
}

}  // namespace

ApplicationEffects EffectsOf(const v1::Signature& signature) {
  ApplicationEffects effects =
      Effects(signature, [](const v1::ResourceEffect& effect, double root, double* suffers, double* hurts) {
        *suffers = std::min(effect.suffers_ratio() / root, kMostHalf);
        *hurts = std::min(effect.hurts_ratio() / root, kMostHalf);
      });
  effects.known = std::any_of(signature.resources().begin(), signature.resources().end(),
                              [](const auto& effect) { return effect.usual_ratio() >= kLeastUsual; });
  return effects;
}

ApplicationEffects UsualEffects(const v1::Signature& signature) {
  return Effects(signature, [](const v1::ResourceEffect&, double root, double* suffers, double* hurts) {
    *suffers = std::min(root, kMostHalf);
    *hurts = std::min(root, kMostHalf);
  });
}

double SlowdownWeight(v1::WorkloadClass workload_class, int priority) {
  const int rank = ClassRank(workload_class);
  const double by_class = rank >= 3 ? 1 : rank == 2 ? 0.5 : 0.25;
  return by_class * (1 + 0.25 * std::clamp(priority, -100, 100) / 100);
}

pack::PlaceEffects HurtsOf(const ApplicationEffects& effects, double cores) {
  constexpr double kMostTimes = 10;
  // More than any host has.
  constexpr double kMostCores = 10'000;
  pack::PlaceEffects hurts = effects.hurts;
  if (!(effects.cores > 0) || !(cores > 0)) return hurts;
  double times = cores / effects.cores;
  times = effects.known ? std::clamp(times, 1 / kMostTimes, kMostTimes) : std::min(times, kMostCores);
  for (double& one : hurts) one *= times;
  return hurts;
}

double Loss(const pack::PlaceEffects& suffers, const pack::PlaceEffects& hurts) {
  double loss = 0;
  for (size_t k = 0; k < suffers.size(); ++k) loss += suffers[k] * hurts[k];
  return loss;
}

}  // namespace truce::controller
