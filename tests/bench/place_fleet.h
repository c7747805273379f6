// A fleet for truce-bench place: hosts of a few sizes with workloads of a few hundred applications, as agents would
// report them. The same for a seed.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "truce/v1/agent.pb.h"
#include "truce/v1/scheduler.pb.h"

namespace truce::bench {

struct PlaceFleet {
  std::vector<v1::Hello> hellos;
  std::vector<v1::Report> reports;
  // By application.
  std::vector<v1::Signature> signatures;
};

std::string ApplicationName(size_t application);
// Workloads are dealt out at random, each of its application's size, so that hosts are nearly half full.
// With `load` 1; sizes are multiplied by it.
PlaceFleet MakePlaceFleet(int hosts, int workloads, uint64_t seed, double load = 1);
// A workload of some application.
v1::WorkloadDescription SomeWorkload(const PlaceFleet& fleet, std::mt19937_64& random);

}  // namespace truce::bench
