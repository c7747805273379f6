// Changes of several workloads keep every rule, cost what was allowed, and leave nothing behind when they fail.
#include "controller/plan/pack/moves.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/controller/plan/pack/random_problem.h"

namespace truce::controller::pack {
namespace {

// Everything that is counted along is what counting from scratch gives.
void ExpectSound(const RandomProblem& drawn, const Packing& packing, uint64_t seed) {
  ASSERT_TRUE(CheckRules(drawn.problem, drawn.before, packing.now()).ok())
      << CheckRules(drawn.problem, drawn.before, packing.now()) << ", seed " << seed;
  ASSERT_EQ(packing.cost(), CostOf(drawn.problem, drawn.before, packing.now()).Sum()) << "seed " << seed;
  const Packing fresh(drawn.problem, drawn.before, packing.now());
  ASSERT_EQ(packing.rows().hosts, fresh.rows().hosts) << "seed " << seed;
  ASSERT_EQ(packing.moved(), fresh.moved());
  for (int32_t w = 0; w < static_cast<int32_t>(drawn.before.size()); ++w) {
    const auto& on = packing.on(packing.at(w));
    ASSERT_EQ(std::count(on.begin(), on.end(), w), 1);
  }
}

template <typename Kind>
int Made(int64_t most) {
  int made = 0;
  for (uint64_t seed = 1; seed <= 3'000; ++seed) {
    const RandomProblem drawn = DrawProblem(seed);
    Packing packing(drawn.problem, drawn.before, drawn.before);
    Random random(seed);
    Kind kind(packing, random);
    for (int i = 0; i < 30; ++i) {
      const auto workload = static_cast<int32_t>(random.Below(static_cast<uint32_t>(drawn.before.size())));
      const auto host = static_cast<int32_t>(random.Below(static_cast<uint32_t>(drawn.problem.hosts())));
      if (packing.at(workload) == host) continue;
      const Assignment now = packing.now();
      const int64_t cost = packing.cost();
      const bool is_made = kind.Try(workload, host, most);
      EXPECT_EQ(packing.now() != now, is_made) << "seed " << seed;
      EXPECT_LE(packing.cost(), cost + (is_made ? most : 0)) << "seed " << seed;
      made += is_made;
      ExpectSound(drawn, packing, seed);
      if (testing::Test::HasFatalFailure()) return made;
    }
  }
  return made;
}

TEST(MovesTest, ExchangesAreSound) {
  EXPECT_GT(Made<Exchange>(0), 500);
  EXPECT_GT(Made<Exchange>(1'000), 5'000);
}

TEST(MovesTest, ConvoysAreSound) {
  EXPECT_GT(Made<Convoy>(0), 100);
  EXPECT_GT(Made<Convoy>(1'000), 500);
}

// One large for three small: no shift and no swap leads there.
TEST(MovesTest, OneLargeAgainstSeveralSmall) {
  Problem problem;
  problem.transient = {0};
  problem.load_weight = {1};
  problem.capacity = {9, 10};
  problem.soft_capacity = {6, 9};
  problem.domain = problem.neighborhood = {0, 1};
  problem.demand = {9, 3, 3, 3};
  problem.group.assign(4, kNoGroup);
  problem.move_cost.assign(4, 0);
  // Nine are three too many for the first host, and none for the second; but they are three small ones there.
  problem.load_weight = {10};
  problem.move_cost = {0, 5, 5, 5};
  const Assignment before = {0, 1, 1, 1};
  Packing packing(problem, before, before);
  for (int32_t small = 1; small < 4; ++small) {
    EXPECT_EQ(packing.PriceOfShift(small, 0), Packing::kForbidden);
    EXPECT_EQ(packing.PriceOfSwap(0, small), Packing::kForbidden);
  }
  EXPECT_EQ(packing.PriceOfShift(0, 1), Packing::kForbidden);
  Random random(1);
  Exchange exchange(packing, random);
  EXPECT_FALSE(exchange.Try(0, 1, 14)) << "it costs 15";
  EXPECT_EQ(packing.now(), before);
  EXPECT_TRUE(exchange.Try(0, 1, 15));
  EXPECT_EQ(packing.now(), (Assignment{1, 0, 0, 0}));
}

}  // namespace
}  // namespace truce::controller::pack
