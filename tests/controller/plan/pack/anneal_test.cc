#include "controller/plan/pack/anneal.h"

#include <gtest/gtest.h>

#include "tests/controller/plan/pack/random_problem.h"

namespace truce::controller::pack {
namespace {

AnnealOptions Iterations(int64_t count, uint64_t seed = 1) {
  AnnealOptions options;
  options.time = absl::InfiniteDuration();
  options.iterations = count;
  options.seed = seed;
  return options;
}

TEST(AnnealTest, FindsTheCheapestOfSmallProblems) {
  int found = 0;
  int worse_by_more = 0;
  constexpr int kProblems = 300;
  for (uint64_t seed = 1; seed <= kProblems; ++seed) {
    const RandomProblem drawn = DrawProblem(seed, 7, 4);
    const auto annealed = Anneal(drawn.problem, drawn.before, Iterations(20'000));
    ASSERT_TRUE(annealed.ok()) << annealed.status();
    ASSERT_TRUE(CheckRules(drawn.problem, drawn.before, annealed->assignment).ok());
    ASSERT_EQ(annealed->cost, CostOf(drawn.problem, drawn.before, annealed->assignment).Sum());
    const int64_t cheapest = CheapestOfAll(drawn);
    ASSERT_GE(annealed->cost, cheapest);
    found += annealed->cost == cheapest;
    worse_by_more += static_cast<double>(annealed->cost - cheapest) > 0.01 * static_cast<double>(cheapest);
  }
  EXPECT_GE(found, kProblems * 95 / 100);
  EXPECT_LE(worse_by_more, kProblems * 2 / 100);
}

TEST(AnnealTest, NeverMakesItDearerAndKeepsTheMoveBudget) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    const RandomProblem drawn = DrawProblem(seed);
    AnnealOptions options = Iterations(4'000, seed);
    options.most_moved = static_cast<int32_t>(seed % 4);
    const auto annealed = Anneal(drawn.problem, drawn.before, options);
    ASSERT_TRUE(annealed.ok());
    EXPECT_LE(annealed->cost, annealed->cost_before);
    int32_t moved = 0;
    for (size_t w = 0; w < drawn.before.size(); ++w) moved += drawn.before[w] != annealed->assignment[w];
    EXPECT_LE(moved, options.most_moved);
  }
}

TEST(AnnealTest, TheSameSeedGivesTheSamePlan) {
  const RandomProblem drawn = DrawProblem(5, 12, 6);
  AnnealOptions options = Iterations(50'000);
  options.threads = 2;
  const auto one = Anneal(drawn.problem, drawn.before, options);
  const auto other = Anneal(drawn.problem, drawn.before, options);
  EXPECT_EQ(one->assignment, other->assignment);
}

TEST(AnnealTest, EndsWhenItIsTold) {
  const RandomProblem drawn = DrawProblem(5, 12, 6);
  std::atomic<bool> stop = true;
  AnnealOptions options;
  options.time = absl::Hours(10);
  options.stop = &stop;
  const auto annealed = Anneal(drawn.problem, drawn.before, options);
  ASSERT_TRUE(annealed.ok());
  EXPECT_EQ(annealed->assignment, drawn.before);
}

TEST(AnnealTest, WhatIsNotSoundIsRefused) {
  RandomProblem drawn = DrawProblem(5);
  drawn.before.push_back(0);
  EXPECT_TRUE(absl::IsInvalidArgument(Anneal(drawn.problem, drawn.before, {}).status()));
}

}  // namespace
}  // namespace truce::controller::pack
