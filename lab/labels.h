// Ground truth from a data set: how much each program was slowed by the others, against its own solo runs around it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lab/dataset.h"

namespace truce::lab {

// One member of one meeting.
struct Label {
  // Position in DatasetContent::segments.
  size_t segment = 0;
  int64_t victim = 0;
  std::vector<int64_t> aggressors;
  // seconds per operation together / alone - 1. Around zero, and a little below it by noise, when nobody is hurt.
  double slowdown = 0;
  // Its standard error, from the spreads of both windows.
  double error = 0;
  // The solo window of the victim's life that is nearest.
  double alone_begin = 0;
  double alone_end = 0;
  // The hypervisor or somebody outside took CPU time meanwhile; not to be learned from.
  bool disturbed = false;
};

struct LabelOptions {
  double most_steal_ratio = 0.03;
  double most_other_cores = 0.3;
};

// A label for each member that ran alone, in the same life, next to the meeting. What the member needed alone is taken
// from the solo windows of that life right before and right after, weighted by nearness in time.
std::vector<Label> MakeLabels(const DatasetContent& content, const LabelOptions& options = {});

// Differences between the slowdowns of the same meeting of two (programs, loads and CPUs) at different times: what a
// perfect prediction would be off by, times the square root of two.
std::vector<double> RepeatDifferences(const DatasetContent& content, const std::vector<Label>& labels);

}  // namespace truce::lab
