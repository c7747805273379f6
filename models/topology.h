// Which CPUs share a core, a last-level cache, a NUMA node; and from that, what two workloads share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "models/pair_context.h"

namespace truce {

struct Topology {
  struct Cpu {
    int id = 0;
    int core = 0;
    int llc = 0;
    int node = 0;
  };
  // By id.
  std::vector<Cpu> cpus;

  // "0:0:0:0,1:0:0:0": id, core, last-level cache and node of each CPU.
  std::string Text() const;
  // InvalidArgument when it is not what Text writes.
  static absl::StatusOr<Topology> Parse(std::string_view text);
  const Cpu* Find(int id) const;
};

// What a victim on `victim` CPUs shares with an aggressor on `aggressor` CPUs (both sorted). CPUs that the topology
// does not know count as cores, caches and nodes of their own.
PairContext ShareOf(const Topology& topology, const std::vector<int>& victim, const std::vector<int>& aggressor);

}  // namespace truce
