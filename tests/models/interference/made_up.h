// Workloads and meetings that follow a law of our own, so that a test knows what a model should find.
#pragma once

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "models/interference/example.h"
#include "models/interference/model.h"

namespace truce {

// `seconds` samples of a workload that uses so many cores and, when it has PSI, waits for so much of the time.
inline InputSequence MadeUpSequence(double cores, double waiting, int seconds = 12) {
  Sample sample;
  sample.set(Reading::kCpuUsageCores, cores);
  sample.set(Reading::kCpuAllowedCount, 2);
  sample.set(Reading::kPsiCpuSomeRatio, waiting);
  return InputSequence(static_cast<size_t>(seconds), MakeModelInput(sample));
}

// Programs p0 ... of different hunger meet in pairs on all, half or none of their CPUs: the victim is slowed by what
// the two want beyond the CPU that they share. Nobody is slowed who shares nothing.
inline std::vector<InterferenceExample> MadeUpMeetings(int programs, int meetings, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_int_distribution<int> any(0, programs - 1);
  std::uniform_int_distribution<int> third(0, 2);
  std::vector<InterferenceExample> examples;
  const auto cores = [programs](int program) { return 0.1 + 1.8 * program / programs; };
  while (examples.size() < static_cast<size_t>(meetings)) {
    const int victim = any(random);
    const int aggressor = any(random);
    if (victim == aggressor) continue;
    InterferenceExample& example = examples.emplace_back();
    const float share = static_cast<float>(third(random)) / 2;
    example.victim = MadeUpSequence(cores(victim), 0.01);
    example.aggressors = {MadeUpSequence(cores(aggressor), 0.01)};
    example.contexts = {{share, share, 0, 1, 1}};
    const double slowdown = std::max(0.0, share * (cores(victim) + cores(aggressor) - 1));
    example.log_slowdown = std::log1p(slowdown);
    example.error = 0.01;
    if (slowdown >= kNoticedSlowdown) example.resources[0] = 1;
    example.programs = {"p" + std::to_string(victim), "p" + std::to_string(aggressor)};
    example.meeting = examples.size() - 1;
    example.group = example.meeting;
  }
  return examples;
}

// Weights of the right sizes, drawn at random.
inline InterferenceWeights RandomWeights(uint64_t seed, Eigen::Index projected = 5, Eigen::Index hidden = 6,
                                         Eigen::Index pair = 4) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0, 0.5F);
  const auto rows = [&](Eigen::Index count, Eigen::Index columns) {
    return Rows(Rows::NullaryExpr(count, columns, [&] { return normal(random); }));
  };
  const auto inputs = static_cast<Eigen::Index>(kModelInputs);
  const auto resources = static_cast<Eigen::Index>(kResourceCount);
  InterferenceWeights weights;
  weights.project = rows(projected, inputs);
  weights.project_bias = rows(1, projected);
  weights.cell.input_gates = rows(4 * hidden, projected);
  weights.cell.hidden_gates = rows(4 * hidden, hidden);
  weights.cell.gate_bias = rows(1, 4 * hidden);
  weights.victim = rows(2 * pair, hidden + projected + 1);
  weights.aggressor = rows(2 * pair, hidden + projected + 1);
  weights.context = rows(2 * pair, static_cast<Eigen::Index>(kPairInputs));
  weights.pair_bias = rows(1, 2 * pair);
  weights.slowdown = rows(resources, pair);
  // Slowdowns of some per cent, so that probabilities are neither 0 nor 1.
  weights.slowdown_bias = Row::Constant(resources, -5) + Row(rows(1, resources));
  weights.spread = rows(1, pair);
  weights.spread_bias = rows(1, 1);
  weights.base_spread = rows(1, 1);
  return weights;
}

// Familiar with everything, for RandomWeights of the sizes that they have unless told otherwise.
inline Familiarity AnythingGoes() {
  const Eigen::Index size = RandomWeights(0).fingerprint();
  return {Row::Zero(size), Rows::Identity(size, size), {1e3F, 1e4F}};
}

}  // namespace truce
