// What the agent thinks of its workloads after a scoring tick: a verdict for each, a score for each pair that stands
// out.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "truce/v1/types.pb.h"

namespace truce::agent {

// What is wrong with one workload.
struct WorkloadVerdict {
  v1::Diagnosis diagnosis = v1::DIAGNOSIS_UNSPECIFIED;
  // One sentence for a person.
  std::string detail;
  // Against its baseline, as a fraction; missing when not known.
  std::optional<double> slowdown_ratio;
  // The same, from the first of the recent samples on that is beyond what is usual, where enough of them are: what has
  // just begun is not averaged with what was before. Else equal to it.
  std::optional<double> slowdown_since_onset;
  // For how many of its samples on end it has been healthy.
  uint64_t healthy_samples = 0;
};

struct Scores {
  // By workload key.
  std::map<uint64_t, WorkloadVerdict> verdicts;
  // Ordered pairs whose score is at least the report floor.
  std::vector<v1::PairScore> pairs;
  // Pairs above the floor that are not among them, because there are too many (FuseOptions).
  uint64_t pairs_left_out = 0;
};

}  // namespace truce::agent
