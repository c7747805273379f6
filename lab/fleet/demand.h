// How much of its CPUs a workload of the simulated fleet asks for, step by step: days that were recorded, or made-up
// ones.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lab/consolidate/setup.h"
#include "lab/fleet/placer.h"

namespace truce::lab::fleet {

// Of kStepSeconds (lab/consolidate/setup.h).
inline constexpr size_t kStepsOfADay = 288;
inline constexpr size_t kStepsOfAnHour = 12;

// A day each, kStepsOfADay values from 0 to 1; after its end it begins again.
using Day = std::vector<float>;

struct Demands {
  // By class: which days its workloads draw from.
  std::vector<Day> days[kClasses];
};

// Made-up days: a level, a wave with its peak in the day's second half for nine of ten, noise that lasts, bursts. Mean
// levels are 0.2 for critical, 0.25 for standard and 0.5 for best effort, which waits for nobody.
Demands MakeDemands(size_t days_of_a_class, std::mt19937_64& random);

// A day of PlanetLab, as truce-lab consolidate reads it; all classes draw from the same. Errors name file and line.
absl::StatusOr<Demands> ReadDemands(const std::string& file);

}  // namespace truce::lab::fleet
