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
  constexpr int kProblems = 500;
  for (uint64_t seed = 1; seed <= kProblems; ++seed) {
    const RandomProblem drawn = DrawProblem(seed, 12, 5);
    const auto annealed = Anneal(drawn.problem, drawn.before, Iterations(200'000));
    ASSERT_TRUE(annealed.ok()) << annealed.status();
    ASSERT_TRUE(CheckRules(drawn.problem, drawn.before, annealed->assignment).ok());
    ASSERT_EQ(annealed->cost, CostOf(drawn.problem, drawn.before, annealed->assignment).Sum());
    const int64_t cheapest = CheapestOfAll(drawn).Below(annealed->cost);
    found += annealed->cost == cheapest;
    EXPECT_LE(static_cast<double>(annealed->cost), 1.01 * static_cast<double>(cheapest)) << "seed " << seed;
  }
  EXPECT_GE(found, kProblems * 95 / 100);
}

// What the other test compares with: all of them, one after the other.
TEST(AnnealTest, TheCheapestOfAllIsThat) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    const RandomProblem drawn = DrawProblem(seed, 6, 4);
    const int64_t stays = CostOf(drawn.problem, drawn.before, drawn.before).Sum();
    int64_t cheapest = stays;
    const auto hosts = static_cast<int32_t>(drawn.problem.hosts());
    Assignment assignment(drawn.before.size(), 0);
    for (size_t at = 0; at < assignment.size();) {
      if (const int64_t cost = CostOf(drawn.problem, drawn.before, assignment).Sum();
          cost < cheapest && CheckRules(drawn.problem, drawn.before, assignment).ok()) {
        cheapest = cost;
      }
      for (at = 0; at < assignment.size() && ++assignment[at] == hosts; ++at) assignment[at] = 0;
    }
    ASSERT_EQ(CheapestOfAll(drawn).Below(stays), cheapest) << "seed " << seed;
  }
}

// Two that need each other, each on a host that is dear: neither may go alone.
TEST(AnnealTest, WhoNeedsEachOtherGoesTogether) {
  Problem problem;
  problem.transient = {0};
  problem.load_weight = {1};
  problem.capacity = problem.soft_capacity = {10, 10, 10};
  problem.domain = {0, 1, 2};
  problem.neighborhood = {0, 0, 1};
  problem.use_cost = {100, 100, 10};
  problem.demand = {3, 4};
  problem.group = {0, 1};
  problem.groups = {{true, 0, {1}}, {true, 0, {0}}};
  problem.move_cost = {1, 1};
  const auto annealed = Anneal(problem, {0, 1}, Iterations(2'000));
  ASSERT_TRUE(annealed.ok()) << annealed.status();
  EXPECT_EQ(annealed->assignment, (Assignment{2, 2}));
  EXPECT_EQ(annealed->cost, 10 + 2);
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
