// What the interference model learns from and is judged by: workloads' samples up to a moment, what they share, and how
// much the victim was slowed by all of them together.
#pragma once

#include <string>
#include <vector>

#include "models/features.h"
#include "models/pair_context.h"

namespace truce {

// One workload's samples up to the moment, oldest first, one a second; at least one.
using InputSequence = std::vector<ModelInput>;

struct InterferenceExample {
  InputSequence victim;
  // Who hurts it, and what it shares with each of them, in the same order. May be empty: then nobody does.
  std::vector<InputSequence> aggressors;
  std::vector<PairContext> contexts;
  // log(1 + slowdown), and the standard error with which it was measured.
  double log_slowdown = 0;
  double error = 0;
  // Programs, victim first; what is held out is held out by them.
  std::vector<std::string> programs;
  // Examples of the same meeting carry the same number: they must not be split between training and test.
  size_t meeting = 0;
};

// What a model says of one example.
struct InterferencePrediction {
  // Expected log(1 + slowdown), and its standard deviation.
  double log_slowdown = 0;
  double deviation = 0;
  // P(slowdown >= 5 %).
  double probability = 0;
};

}  // namespace truce
