// What the interference model learns from and is judged by: workloads' samples up to a moment, what they share, and how
// much the victim was slowed by all of them together.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "models/features.h"
#include "models/pair_context.h"

namespace truce {

// A slowdown from here on is one that users notice (design: contention score).
inline constexpr double kNoticedSlowdown = 0.05;

// What a slowdown is split into; in the order of v1::Resource from RESOURCE_CPU on.
enum class ModelResource : uint8_t { kCpu, kLlc, kMemoryBandwidth, kMemory, kDisk, kNetwork };
inline constexpr size_t kResourceCount = 6;

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
  // Share of the slowdown that the victim's own readings put down to each resource; all zeros when they don't say.
  std::array<float, kResourceCount> resources{};
  // Programs, victim first; what is held out is held out by them.
  std::vector<std::string> programs;
  // Examples of the same meeting carry the same number: they must not be split between training and test.
  size_t meeting = 0;
  // Meetings that measure the same thing carry the same number: one that was repeated, or that a guest joined. They are
  // drawn together when intervals are estimated.
  size_t group = 0;
  // The moment from which the slowdown is to be told, in seconds of company that were seen.
  double moment = 0;
  // So many of the last samples of everybody are of their time together; those before, of each one's time alone.
  int company() const { return static_cast<int>(moment); }
};

// Examples that somebody else owns.
using ExampleList = std::vector<const InterferenceExample*>;

// What a model says of one example.
struct InterferencePrediction {
  // Expected log(1 + slowdown), and its standard deviation.
  double log_slowdown = 0;
  double deviation = 0;
  // Half the width of the interval around log_slowdown that holds 80 % of all cases.
  double reach = 0;
  // P(slowdown >= 5 %).
  double probability = 0;
  // How many deviations log_slowdown lies above that of 5 %, below 0 under it: what the probability is made of, where a
  // model is calibrated.
  double deviations_above = 0;
  // How much of the slowdown (not its logarithm) is due to each resource. Zeros from what does not tell.
  std::array<double, kResourceCount> by_resource{};
  // 0-1: how much the least usual of the workloads resembles what the model knows (Familiarity).
  double familiarity = 1;
  // How far out each of the workloads lies, victim first, in the model's own measure.
  std::vector<float> distances;
};

}  // namespace truce
