// What workloads of the simulated fleet really do to each other: hidden from whoever places them. One law holds for two
// in the lab (meetings.h) and for twenty on a host:
//
//   slowdown of v = load(v) x sum over resources r of
//                       sensitivity(v, r) x crowding(r) x sum over others a of bias(v, a) x pressure(a, r) x share(a)
//                 + what it lacks of CPU time
//
// share(a) is the part of the host's CPUs that a uses, load(v) goes from 0.4 (idle) to 1 (uses all it may), bias is
// drawn for every ordered pair of applications, so that no sum of products of what each of them has says it all; and
// crowding(r) = (1 + P) / (1 + (P / 2)^2), P being the pressure of all on the host, half of that of average
// applications that use the whole host: together they do more harm than each alone, until there is no more to take.
//
// CPU time: when more is asked for than there is, each gets the same part of what it asks for, times the weight of its
// class and at most all of it.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "lab/fleet/placer.h"

namespace truce::lab::fleet {

struct TruthOptions {
  size_t applications = 60;
  // Standard deviations of logarithms: how much applications differ as a whole, by resource, and pairs beyond that.
  double strength = 0.35;
  double profile = 0.6;
  double bias = 0.4;
  // Of an application's pressure with its sensitivity, by resource.
  double correlation = 0.5;
  // Of a workload's pressure and sensitivity with its application's.
  double instance = 0.2;
  // Mean slowdown of two that share no CPU, each using half of the host's.
  double apart_mean = 0.057;
};

struct Truth {
  // By application.
  std::vector<Effects> pressure;
  std::vector<Effects> sensitivity;
  // [victim x applications + aggressor], mean 1.
  std::vector<double> bias;
  // Over applications.
  Effects mean_pressure{};

  size_t applications() const { return pressure.size(); }
  double Bias(size_t victim, size_t aggressor) const { return bias[victim * pressure.size() + aggressor]; }
};

Truth DrawTruth(const TruthOptions& options, std::mt19937_64& random);

// A workload on a host at a moment.
struct Presence {
  int32_t application = 0;
  WorkloadClass workload_class = WorkloadClass::kStandard;
  // Of this workload, against its application's; about 1.
  double pressure_factor = 1;
  double sensitivity_factor = 1;
  // What it asks for, and what it may use at most.
  double demand_cores = 0;
  double cpus = 0;
};

// What a victim's load counts for when it uses so many of the CPUs that it may use: load(v) above.
double LoadFactor(double used_cores, double cpus);

// Of CPU time, what counts for a workload when there is too little.
double ClassWeight(WorkloadClass workload_class);

struct Suffering {
  double used_cores = 0;
  double slowdown = 0;
};

// All on a host of so many CPUs; `sufferings` gets one for each, in their order. O(workloads^2). Keeps working space,
// so each thread has its own.
class HostTruth {
 public:
  explicit HostTruth(const Truth& truth) : truth_(truth) {}
  void Suffer(double cpus, std::span<const Presence> workloads, std::vector<Suffering>* sufferings);

 private:
  const Truth& truth_;
  std::vector<std::array<float, kEffects>> reach_;
};

}  // namespace truce::lab::fleet
