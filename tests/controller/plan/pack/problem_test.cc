#include "controller/plan/pack/problem.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/controller/plan/pack/random_problem.h"

namespace truce::controller::pack {
namespace {

using testing::HasSubstr;

// Two hosts in two places, three workloads; the first two of one group.
Problem Small() {
  Problem problem;
  problem.transient = {1};
  problem.load_weight = {10};
  problem.capacity = {10, 10};
  problem.soft_capacity = {4, 10};
  problem.domain = problem.neighborhood = {0, 1};
  problem.demand = {3, 3, 2};
  problem.group = {0, 0, kNoGroup};
  problem.move_cost = {7, 7, 7};
  problem.groups = {{true, 2, {}}};
  problem.group_move_weight = 100;
  problem.effects = 1;
  problem.suffers = {0, 0, 5};
  problem.hurts = {2, 1, 9};
  return problem;
}

TEST(ProblemTest, EveryPartOfTheCostIsCounted) {
  Problem problem = Small();
  ASSERT_TRUE(Check(problem).ok()) << Check(problem);
  const CostParts stays = CostOf(problem, {0, 1, 0}, {0, 1, 0});
  EXPECT_EQ(stays.load, 10) << "one unit above the soft capacity of host 0";
  EXPECT_EQ(stays.pairs, 5 * 2) << "the third suffers from the first, and nobody from itself";
  EXPECT_EQ(stays.Sum(), 20);
  problem.distance = {0, 2, 2, 0};
  problem.distance_weight = 3;
  problem.use_cost = {1'000, 2'000};
  problem.balances = {{0, 0, 2, 1}};
  const CostParts goes = CostOf(problem, {0, 1, 0}, {1, 0, 0});
  EXPECT_EQ(goes.moves, 14);
  EXPECT_EQ(goes.distance, 12);
  EXPECT_EQ(goes.group_moves, 200);
  EXPECT_EQ(goes.use, 3'000);
  EXPECT_EQ(goes.balance, 5 + 7) << "what is free, by its own target of twice that";
}

TEST(ProblemTest, EveryRuleIsNamed) {
  Problem problem = Small();
  EXPECT_TRUE(CheckRules(problem, {0, 1, 0}, {0, 1, 0}).ok());
  EXPECT_THAT(CheckRules(problem, {0, 1, 0}, {0, 0, 0}).ToString(), HasSubstr("group 0 has two workloads on host 0"));
  problem.groups[0].exclusive = false;
  EXPECT_THAT(CheckRules(problem, {0, 1, 0}, {0, 0, 0}).ToString(),
              HasSubstr("group 0 is spread over 1 domains and must be over 2"));
  problem.capacity = {4, 10};
  EXPECT_THAT(CheckRules(problem, {0, 1, 1}, {0, 1, 0}).ToString(),
              HasSubstr("host 0 is asked for 5 of resource 0 and has 4"));
  problem.capacity = {10, 10};
  problem.capacity[0] = 5;
  problem.groups[0].spread = 0;
  EXPECT_THAT(CheckRules(problem, {0, 1, 0}, {1, 0, 0}).ToString(), HasSubstr("host 0 is asked for 8"))
      << "it is asked for by who left it, too, until that is done";
  problem = Small();
  problem.pinned = {0, 0, 1};
  EXPECT_THAT(CheckRules(problem, {0, 1, 0}, {0, 1, 1}).ToString(), HasSubstr("workload 2 is pinned to host 0"));
  problem.pinned.clear();
  problem.groups.push_back({false, 0, {0}});
  problem.groups[0].spread = 0;
  problem.group = {0, kNoGroup, 1};
  EXPECT_TRUE(CheckRules(problem, {0, 1, 0}, {0, 1, 0}).ok());
  EXPECT_THAT(CheckRules(problem, {0, 1, 0}, {0, 1, 1}).ToString(),
              HasSubstr("group 1 is in a neighborhood without group 0, which it needs"));
}

TEST(ProblemTest, WhatIsNotSoundIsRefused) {
  const auto refuses = [](auto change, const char* why) {
    Problem problem = Small();
    change(problem);
    EXPECT_THAT(Check(problem).ToString(), HasSubstr(why));
  };
  refuses([](Problem& p) { p.capacity.pop_back(); }, "the hosts' capacities has 1 numbers; it must have 2");
  refuses([](Problem& p) { p.demand[1] = -1; }, "a demand has -1; it must be 0 or more");
  refuses([](Problem& p) { p.group[0] = 1; }, "group 1 is not one of -1 to 1 - 1");
  refuses([](Problem& p) { p.groups[0].needs = {3}; }, "needed group 3");
  refuses([](Problem& p) { p.domain[0] = 2; }, "domain 2");
  refuses([](Problem& p) { p.balances = {{0, 4, 1, 1}}; }, "balanced resource 4");
  refuses([](Problem& p) { p.load_weight[0] = int64_t{1} << 61; }, "overflow");
  refuses([](Problem& p) { p.domain.clear(); }, "there is no host");
  EXPECT_THAT(CheckAssignment(Small(), {0, 1}).ToString(), HasSubstr("the assignment has 2 numbers; it must have 3"));
  EXPECT_THAT(CheckAssignment(Small(), {0, 1, 2}).ToString(), HasSubstr("host 2"));
}

}  // namespace
}  // namespace truce::controller::pack
