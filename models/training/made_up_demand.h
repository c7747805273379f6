// Series as workloads make them, drawn from nothing but chance: what a demand LSTM learns from before there is any
// history. That such series teach forecasting of real ones is known (Dooley et al., "ForecastPFN: Synthetically-Trained
// Zero-Shot Forecasting", NeurIPS 2023); what they hold here is what is seen on hosts: levels that wander and jump,
// noise that grows with the load, days and jobs by the clock, bursts with heavy tails, ramps that end in a restart,
// ceilings, whole numbers, idleness and gaps. Deterministic for a seed; pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace truce {

struct MadeUpDemand {
  std::vector<double> values;
  // What is known of its season, as DemandFeatures has it; 0 also for some that have one, and a day for some that have
  // none: on a host nobody knows better.
  size_t season_steps = 0;
};

// `length` is of each. Of several processes that share them, the one of this rank makes every so-manieth of the same
// series, and leaves the others empty.
std::vector<MadeUpDemand> MakeUpDemand(size_t count, size_t length, uint64_t seed, size_t rank = 0,
                                       size_t processes = 1);

}  // namespace truce
