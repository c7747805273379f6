// Turns a data set into what the interference model learns from (models/interference/example.h).
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "lab/dataset.h"
#include "models/interference/example.h"

namespace truce::lab {

struct ExampleOptions {
  // Moments of each meeting from which its slowdown is to be told, in seconds after the window began (as far as the
  // window reaches). At the first, the newcomer has hardly been seen.
  std::vector<double> moments = {0, 1, 2, 3, 4, 5, 6, 7};
  // Samples before the moment.
  size_t most_steps = 24;
};

// One example per label that was not disturbed and moment at which everybody has a sample. InvalidArgument when the
// data set says no topology.
absl::StatusOr<std::vector<InterferenceExample>> MakeExamples(const DatasetContent& content,
                                                              const ExampleOptions& options = {});

}  // namespace truce::lab
