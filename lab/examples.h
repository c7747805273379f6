// Turns a data set into what the interference model learns from (models/interference/example.h).
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "lab/dataset.h"
#include "lab/labels.h"
#include "models/interference/example.h"

namespace truce::lab {

struct ExampleOptions {
  // Moments from which a meeting's slowdown is to be told, in seconds of company that were seen: at 0 everybody was
  // only seen alone, so it is told before it happens.
  std::vector<double> moments = {0, 1, 2, 3, 4, 5, 6, 8};
  // Samples of the time alone.
  size_t alone_steps = 12;
};

// What was read of the members of a label's meeting, victim first, oldest first: in their time alone, and together.
struct MeetingSamples {
  std::vector<int64_t> lives;
  std::vector<std::vector<const Sample*>> alone;
  std::vector<std::vector<const Sample*>> together;
};
// Points into `content`.
MeetingSamples SamplesOf(const DatasetContent& content, const Label& label);

// One example per label that was not disturbed and moment: the samples of everybody's time alone in the meeting, then
// those of the first seconds together. InvalidArgument when the data set says no topology.
absl::StatusOr<std::vector<InterferenceExample>> MakeExamples(const DatasetContent& content,
                                                              const ExampleOptions& options = {});

}  // namespace truce::lab
