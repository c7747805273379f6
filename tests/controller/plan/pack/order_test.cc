#include "controller/plan/pack/order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/plan/pack/anneal.h"
#include "tests/controller/plan/pack/random_problem.h"

namespace truce::controller::pack {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// Hosts of one resource, nothing transient, and workloads with nothing to do with each other.
Problem Plain(std::vector<int64_t> capacity, std::vector<int64_t> demand) {
  Problem problem;
  problem.transient = {0};
  problem.load_weight = {1};
  problem.capacity = problem.soft_capacity = std::move(capacity);
  for (size_t h = 0; h < problem.capacity.size(); ++h) problem.domain.push_back(static_cast<int32_t>(h));
  problem.neighborhood = problem.domain;
  problem.group.assign(demand.size(), kNoGroup);
  problem.move_cost.assign(demand.size(), 1);
  problem.demand = std::move(demand);
  return problem;
}

TEST(OrderTest, WhoMakesRoomGoesFirst) {
  const Problem problem = Plain({10, 10, 10}, {6, 6});
  const MoveOrder order = OrderMoves(problem, {0, 1}, {1, 2});
  EXPECT_THAT(order.moves, ElementsAre(Move{1, 1, 2}, Move{0, 0, 1}));
  EXPECT_THAT(order.stuck, IsEmpty());
}

TEST(OrderTest, TwoThatChangePlacesGoByAThird) {
  const Problem problem = Plain({10, 10, 10}, {6, 6});
  const MoveOrder order = OrderMoves(problem, {0, 1}, {1, 0});
  EXPECT_THAT(order.moves, SizeIs(3));
  EXPECT_EQ(order.reached, (Assignment{1, 0}));
}

TEST(OrderTest, WithoutAThirdTheyStay) {
  const Problem problem = Plain({10, 10}, {6, 6});
  const MoveOrder order = OrderMoves(problem, {0, 1}, {1, 0});
  EXPECT_THAT(order.moves, IsEmpty());
  EXPECT_THAT(order.stuck, ElementsAre(0, 1));
  EXPECT_EQ(order.reached, (Assignment{0, 1}));
}

// Plans of any problem: no step breaks a rule, and where the steps end is never dearer than staying.
TEST(OrderTest, NoPlanPassesThroughWhatBreaksARule) {
  int plans = 0;
  int moves = 0;
  int stuck = 0;
  for (uint64_t seed = 1; seed <= 100'000; ++seed) {
    const RandomProblem drawn = DrawProblem(seed, 10, 5);
    AnnealOptions options;
    options.time = absl::InfiniteDuration();
    options.iterations = 500;
    options.seed = seed;
    const auto annealed = Anneal(drawn.problem, drawn.before, options);
    ASSERT_TRUE(annealed.ok()) << annealed.status();
    ASSERT_TRUE(CheckRules(drawn.problem, drawn.before, annealed->assignment).ok()) << "seed " << seed;
    ASSERT_LE(annealed->cost, annealed->cost_before);
    const MoveOrder order = OrderMoves(drawn.problem, drawn.before, annealed->assignment);
    Problem one_by_one = drawn.problem;
    std::fill(one_by_one.transient.begin(), one_by_one.transient.end(), uint8_t{0});
    Assignment now = drawn.before;
    for (const Move& move : order.moves) {
      ASSERT_EQ(now[static_cast<size_t>(move.workload)], move.from);
      now[static_cast<size_t>(move.workload)] = move.to;
      ASSERT_TRUE(CheckRules(one_by_one, drawn.before, now).ok())
          << CheckRules(one_by_one, drawn.before, now) << ", seed " << seed;
      ++moves;
    }
    ASSERT_EQ(now, order.reached);
    ASSERT_TRUE(!order.stuck.empty() || now == annealed->assignment);
    ASSERT_LE(CostOf(drawn.problem, drawn.before, now).Sum(), annealed->cost_before);
    plans += !order.moves.empty();
    stuck += !order.stuck.empty();
  }
  EXPECT_GT(plans, 30'000);
  EXPECT_GT(moves, plans);
  EXPECT_GT(stuck, 0) << "or nothing is known of what happens then";
}

}  // namespace
}  // namespace truce::controller::pack
