// The agents of the simulated fleet: they see what workloads use, not what they suffer or why, foretell a little, and
// report it.
#pragma once

#include <vector>

#include "lab/fleet/knowledge.h"
#include "lab/fleet/placer.h"
#include "lab/fleet/world.h"

namespace truce::lab::fleet {

class Agents {
 public:
  // Both outlive it.
  Agents(const World& world, const Knowledge& knowledge, size_t hosts);

  // What workload `life` used in the step that ends.
  void See(const Life& life, double used_cores);
  // Of a host, once all of its workloads were seen: `lives` are on it.
  HostReport Report(size_t host, const std::vector<int64_t>& lives);

 private:
  struct Watched {
    float mean = 0;
    float variance = 0;
    float last = 0;
    int32_t steps = 0;
  };
  double P95(const Life& life) const;

  const World& world_;
  std::vector<Signature> said_;
  std::vector<Watched> watched_;
  // By host, the last hour's use, the newest last.
  std::vector<std::vector<double>> used_;
};

}  // namespace truce::lab::fleet
