#include "lab/fleet/demand.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "src/base/status.h"

namespace truce::lab::fleet {
namespace {

constexpr double kMeanLevel[kClasses] = {0.2, 0.25, 0.5};
// Standard deviation of the logarithm of levels.
constexpr double kLevels = 0.5;
// How much of the noise is still there a step later, and how large it is against the level.
constexpr double kPersistence = 0.85;
constexpr double kNoise = 0.25;
// Bursts a day, their length in steps, and by how much they raise the level.
constexpr double kBursts = 2;
constexpr double kBurstSteps = 4;
constexpr double kBurstHeight = 1.5;

Day MakeDay(double mean_level, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform;
  const double level = mean_level * std::exp(kLevels * normal(random) - kLevels * kLevels / 2);
  const double swing = 0.6 * uniform(random);
  const bool nightly = uniform(random) < 0.1;
  const double peak = (nightly ? 0.1 : 0.6) + 0.05 * normal(random);
  const double innovation = kNoise * std::sqrt(1 - kPersistence * kPersistence);
  double noise = kNoise * normal(random);
  double burst = 0;
  Day day;
  for (size_t step = 0; step < kStepsOfADay; ++step) {
    const double moment = static_cast<double>(step) / kStepsOfADay;
    const double wave = 1 + swing * std::cos(2 * std::numbers::pi * (moment - peak));
    noise = kPersistence * noise + innovation * normal(random);
    if (uniform(random) < kBursts / kStepsOfADay) burst = kBurstHeight;
    if (uniform(random) < 1 / kBurstSteps) burst = 0;
    day.push_back(static_cast<float>(std::clamp(level * (wave + noise + burst), 0.0, 1.0)));
  }
  return day;
}

}  // namespace

Demands MakeDemands(size_t days_of_a_class, std::mt19937_64& random) {
  Demands demands;
  for (size_t c = 0; c < kClasses; ++c) {
    for (size_t i = 0; i < days_of_a_class; ++i) demands.days[c].push_back(MakeDay(kMeanLevel[c], random));
  }
  return demands;
}

absl::StatusOr<Demands> ReadDemands(const std::string& file) {
  // Their hosts don't matter here.
  TRUCE_ASSIGN_OR_RETURN(const DataCentre centre, ReadPlanetLabCentre(file, 1));
  Demands demands;
  for (const VmTrace& vm : centre.vms) demands.days[0].emplace_back(vm.used.begin(), vm.used.end());
  for (size_t c = 1; c < kClasses; ++c) demands.days[c] = demands.days[0];
  return demands;
}

}  // namespace truce::lab::fleet
