#include "lab/fleet/truth.h"

#include <algorithm>
#include <cmath>

namespace truce::lab::fleet {
namespace {

// What a resource counts for in the mean slowdown of two that share no CPU: cpu (SMT, clock, run queues), llc, memory
// bandwidth, memory, disk, network.
constexpr Effects kImportance = {0.25, 0.25, 0.25, 0.05, 0.12, 0.08};

// Of the load's share in what a victim feels; the rest it feels even when it is nearly idle.
constexpr double kLoadShare = 0.6;

// Mean 1 for any deviation.
double LogNormal(double normal, double deviation) {
  return std::exp(deviation * normal - deviation * deviation / 2);
}

double Crowding(double pressure) {
  return (1 + pressure) / (1 + pressure * pressure / 4);
}

// Mean over ordered pairs of applications, each with half of a host for itself.
double MeanApart(const Truth& truth) {
  HostTruth host(truth);
  std::vector<Suffering> sufferings;
  double sum = 0;
  const size_t count = truth.applications();
  for (size_t a = 0; a < count; ++a) {
    for (size_t b = a + 1; b < count; ++b) {
      const Presence pair[] = {{.application = static_cast<int32_t>(a), .demand_cores = 1, .cpus = 1},
                               {.application = static_cast<int32_t>(b), .demand_cores = 1, .cpus = 1}};
      host.Suffer(2, pair, &sufferings);
      sum += sufferings[0].slowdown + sufferings[1].slowdown;
    }
  }
  return sum / static_cast<double>(count * (count - 1));
}

// The factor on everybody's share of CPU time, before the weight of the class, with which just all is given out.
double GrantedPart(double cpus, std::span<const Presence> workloads) {
  double asked[kClasses] = {};
  double all = 0;
  for (const Presence& one : workloads) {
    asked[static_cast<size_t>(one.workload_class)] += one.demand_cores;
    all += one.demand_cores;
  }
  if (all <= cpus) return 1 / ClassWeight(WorkloadClass::kBestEffort);
  // Classes by falling weight: those that get all they ask for come first.
  double left = cpus;
  double weighted = 0;
  for (size_t c = 0; c < kClasses; ++c) weighted += asked[c] * ClassWeight(static_cast<WorkloadClass>(c));
  for (size_t c = 0; c < kClasses; ++c) {
    const double weight = ClassWeight(static_cast<WorkloadClass>(c));
    const double part = left / weighted;
    if (part * weight < 1) return part;
    left -= asked[c];
    weighted -= asked[c] * weight;
  }
  return 1 / ClassWeight(WorkloadClass::kBestEffort);
}

}  // namespace

double LoadFactor(double used_cores, double cpus) {
  const double load = cpus > 0 ? std::min(1.0, used_cores / cpus) : 0;
  return 1 - kLoadShare + kLoadShare * load;
}

double ClassWeight(WorkloadClass workload_class) {
  switch (workload_class) {
    case WorkloadClass::kCritical:
      return 4;
    case WorkloadClass::kStandard:
      return 2;
    case WorkloadClass::kBestEffort:
      return 1;
  }
  return 1;
}

Truth DrawTruth(const TruthOptions& options, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  Truth truth;
  const size_t count = options.applications;
  truth.pressure.resize(count);
  truth.sensitivity.resize(count);
  for (size_t a = 0; a < count; ++a) {
    const double hurts = LogNormal(normal(random), options.strength);
    const double suffers = LogNormal(normal(random), options.strength);
    for (size_t r = 0; r < kEffects; ++r) {
      const double own = normal(random);
      const double other = normal(random);
      const double mixed = options.correlation * own + std::sqrt(1 - options.correlation * options.correlation) * other;
      truth.pressure[a][r] = hurts * LogNormal(own, options.profile);
      truth.sensitivity[a][r] = suffers * LogNormal(mixed, options.profile) * kImportance[r];
    }
  }
  for (size_t r = 0; r < kEffects; ++r) {
    for (const Effects& pressure : truth.pressure) truth.mean_pressure[r] += pressure[r] / static_cast<double>(count);
  }
  truth.bias.resize(count * count);
  for (double& bias : truth.bias) bias = LogNormal(normal(random), options.bias);
  const double scale = options.apart_mean / MeanApart(truth);
  for (Effects& sensitivity : truth.sensitivity) {
    for (double& one : sensitivity) one *= scale;
  }
  return truth;
}

void HostTruth::Suffer(double cpus, std::span<const Presence> workloads, std::vector<Suffering>* sufferings) {
  const size_t count = workloads.size();
  sufferings->assign(count, {});
  reach_.resize(count);
  const double part = GrantedPart(cpus, workloads);
  Effects crowding{};
  for (size_t i = 0; i < count; ++i) {
    const Presence& one = workloads[i];
    const double granted = std::min(1.0, part * ClassWeight(one.workload_class));
    Suffering& suffering = (*sufferings)[i];
    suffering.used_cores = one.demand_cores * granted;
    suffering.slowdown = 1 / granted - 1;
    const double share = one.pressure_factor * suffering.used_cores / cpus;
    const Effects& pressure = truth_.pressure[static_cast<size_t>(one.application)];
    for (size_t r = 0; r < kEffects; ++r) {
      reach_[i][r] = static_cast<float>(pressure[r] * share);
      crowding[r] += pressure[r] * share / (2 * truth_.mean_pressure[r]);
    }
  }
  for (double& one : crowding) one = Crowding(one);
  for (size_t v = 0; v < count; ++v) {
    const Presence& victim = workloads[v];
    const double* bias = &truth_.bias[static_cast<size_t>(victim.application) * truth_.applications()];
    std::array<float, kEffects> reached{};
    for (size_t a = 0; a < count; ++a) {
      const float factor = a == v ? 0 : static_cast<float>(bias[workloads[a].application]);
      for (size_t r = 0; r < kEffects; ++r) reached[r] += factor * reach_[a][r];
    }
    const Effects& sensitivity = truth_.sensitivity[static_cast<size_t>(victim.application)];
    double felt = 0;
    for (size_t r = 0; r < kEffects; ++r) felt += sensitivity[r] * crowding[r] * static_cast<double>(reached[r]);
    (*sufferings)[v].slowdown +=
        victim.sensitivity_factor * LoadFactor((*sufferings)[v].used_cores, victim.cpus) * felt;
  }
}

}  // namespace truce::lab::fleet
