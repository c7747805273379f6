// Two real programs that contend for what a lever bounds, as a file in lab/levers/pairs describes them.
//
//   about:      one line for people
//   lever:      cpu_pin, cpu_quota, cpu_weight, cpu_idle, memory_squeeze, disk_cap, network_cap or cache_class
//   needs:      commands that must be there; a pair that lacks one is left out, and said to be
//   prepare:    shell, run before the two; DATA is a directory of the pair's own
//   clean:      shell, run after them, also when something failed
//   victim:     shell, run again and again, resting in between; each run is one operation
//   aggressor:  shell, run again and again without rest, one loop per CPU
// and, where the lever has a value:
//   cores, weight, bytes_per_second
//   group_memory_bytes: what both may use together
//   taking_hold: until the lever has its effect, where that takes longer than usual
// A disk cap is one on the block device that DATA/device names. A cache class leaves half of the caches and of the
// memory bandwidth; where the host bounds that absolutely, bytes_per_second.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lab/program.h"
#include "truce/v1/types.pb.h"

namespace truce::lab {

struct LeverPair {
  std::string name;
  std::string about;
  v1::Lever lever = v1::LEVER_UNSPECIFIED;
  std::string prepare;
  std::string clean;
  Program victim;
  Program aggressor;
  double cores = 0;
  uint32_t weight = 0;
  uint64_t bytes_per_second = 0;
  uint64_t group_memory_bytes = 0;
  // Zero: as usual.
  absl::Duration taking_hold;
};

// Every *.yaml in `directory`, by name. InvalidArgument with file and line for what is wrong in one.
absl::StatusOr<std::vector<LeverPair>> ReadLeverPairs(const std::string& directory);

}  // namespace truce::lab
