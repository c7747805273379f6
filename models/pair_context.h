// What a victim and an aggressor share on their host. Filled in by whoever knows the host; the models only see this.
#pragma once

#include <array>
#include <cstddef>

namespace truce {

struct PairContext {
  // Share of the victim's CPUs that the aggressor may use too, 0-1; and of the aggressor's that the victim may use.
  float cpus_of_victim = 0;
  float cpus_of_aggressor = 0;
  // Share of the victim's CPUs that have an SMT sibling which the aggressor may use while they are not its own.
  float siblings_of_victim = 0;
  // Share of the victim's CPUs whose last-level cache the aggressor uses too; of whose NUMA node it does.
  float llc_of_victim = 1;
  float node_of_victim = 1;

  static constexpr size_t kSize = 5;
  std::array<float, kSize> ToArray() const {
    return {cpus_of_victim, cpus_of_aggressor, siblings_of_victim, llc_of_victim, node_of_victim};
  }
};

}  // namespace truce
