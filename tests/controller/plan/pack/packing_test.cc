// What a change is said to cost is what it costs, and what must not be is forbidden: against counting from scratch.
#include "controller/plan/pack/packing.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/controller/plan/pack/random_problem.h"

namespace truce::controller::pack {
namespace {

// Walks through changes that are allowed, whatever they cost.
TEST(PackingTest, PricesAreWhatChangesCostAndRulesHold) {
  int shifts = 0;
  int swaps = 0;
  int forbidden = 0;
  for (uint64_t seed = 1; seed <= 4'000; ++seed) {
    const RandomProblem drawn = DrawProblem(seed);
    ASSERT_TRUE(Check(drawn.problem).ok()) << Check(drawn.problem);
    ASSERT_TRUE(CheckRules(drawn.problem, drawn.before, drawn.before).ok());
    Packing packing(drawn.problem, drawn.before, drawn.before);
    EXPECT_EQ(packing.cost(), CostOf(drawn.problem, drawn.before, drawn.before).Sum()) << "seed " << seed;
    std::mt19937_64 random(seed);
    const auto below = [&](size_t end) {
      return static_cast<int32_t>(std::uniform_int_distribution<size_t>(0, end - 1)(random));
    };
    for (int i = 0; i < 40; ++i) {
      const int32_t one = below(drawn.before.size());
      const int32_t other = below(drawn.before.size());
      const int32_t at = packing.now()[static_cast<size_t>(one)];
      const int32_t other_at = packing.now()[static_cast<size_t>(other)];
      Assignment then = packing.now();
      const bool is_swap = i % 2 == 0;
      const int32_t host = is_swap ? other_at : below(drawn.problem.hosts());
      if (host == at) continue;
      then[static_cast<size_t>(one)] = host;
      if (is_swap) then[static_cast<size_t>(other)] = at;
      const int64_t price = is_swap ? packing.PriceOfSwap(one, other) : packing.PriceOfShift(one, host);
      const absl::Status holds = CheckRules(drawn.problem, drawn.before, then);
      if (price == Packing::kForbidden) {
        ++forbidden;
        // A swap may be refused that two steps could not make either; a shift only when a rule says so.
        EXPECT_TRUE(is_swap || !holds.ok()) << "seed " << seed;
        continue;
      }
      ASSERT_TRUE(holds.ok()) << holds << ", seed " << seed;
      ASSERT_EQ(price, CostOf(drawn.problem, drawn.before, then).Sum() - packing.cost()) << "seed " << seed;
      is_swap ? packing.Swap(one, other, price) : packing.Shift(one, host, price);
      ++(is_swap ? swaps : shifts);
      ASSERT_EQ(packing.now(), then);
    }
  }
  EXPECT_GT(shifts, 10'000);
  EXPECT_GT(swaps, 10'000);
  EXPECT_GT(forbidden, 10'000);
}

// One takes the place of another, which goes to a third host.
TEST(PackingTest, ChainsCostWhatTheyAreSaidTo) {
  int chains = 0;
  int forbidden_though_allowed = 0;
  for (uint64_t seed = 1; seed <= 4'000; ++seed) {
    const RandomProblem drawn = DrawProblem(seed);
    Packing packing(drawn.problem, drawn.before, drawn.before);
    std::mt19937_64 random(seed);
    for (int i = 0; i < 60; ++i) {
      const auto one = static_cast<int32_t>(random() % drawn.before.size());
      const auto other = static_cast<int32_t>(random() % drawn.before.size());
      const auto host = static_cast<int32_t>(random() % drawn.problem.hosts());
      if (packing.at(one) == packing.at(other) || packing.at(other) == host) continue;
      Assignment then = packing.now();
      then[static_cast<size_t>(one)] = packing.at(other);
      then[static_cast<size_t>(other)] = host;
      const int64_t price = packing.PriceOfChain(one, other, host);
      const absl::Status holds = CheckRules(drawn.problem, drawn.before, then);
      if (price == Packing::kForbidden) {
        forbidden_though_allowed += holds.ok();
        continue;
      }
      ASSERT_TRUE(holds.ok()) << holds << ", seed " << seed;
      ASSERT_EQ(price, CostOf(drawn.problem, drawn.before, then).Sum() - packing.cost()) << "seed " << seed;
      packing.Chain(one, other, host, price);
      ASSERT_EQ(packing.now(), then);
      ++chains;
    }
  }
  EXPECT_GT(chains, 10'000);
  // Some are allowed only because both are made at once.
  EXPECT_LT(forbidden_though_allowed, chains / 10);
}

TEST(PackingTest, NoMoreAreMovedThanMay) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    const RandomProblem drawn = DrawProblem(seed);
    Packing packing(drawn.problem, drawn.before, drawn.before);
    packing.LimitMoved(2);
    std::mt19937_64 random(seed);
    for (int i = 0; i < 100; ++i) {
      const auto one = static_cast<int32_t>(random() % drawn.before.size());
      const auto host = static_cast<int32_t>(random() % drawn.problem.hosts());
      if (packing.now()[static_cast<size_t>(one)] == host) continue;
      const int64_t price = packing.PriceOfShift(one, host);
      if (price != Packing::kForbidden) packing.Shift(one, host, price);
      int32_t moved = 0;
      for (size_t w = 0; w < drawn.before.size(); ++w) moved += packing.now()[w] != drawn.before[w];
      EXPECT_EQ(packing.moved(), moved);
      ASSERT_LE(moved, 2);
    }
  }
}

// What is broken already may be left, and is not made worse.
TEST(PackingTest, AnOverfullHostCanOnlyBeEased) {
  Problem problem;
  problem.transient = {0};
  problem.load_weight = {1};
  problem.capacity = {10, 10};
  problem.soft_capacity = {5, 5};
  problem.domain = problem.neighborhood = {0, 1};
  problem.demand = {8, 6, 1, 2};
  problem.group = {kNoGroup, kNoGroup, kNoGroup, kNoGroup};
  problem.move_cost = {0, 0, 0, 0};
  ASSERT_TRUE(Check(problem).ok());
  const Assignment before = {0, 0, 1, 1};
  const Packing packing(problem, before, before);
  EXPECT_EQ(packing.PriceOfShift(2, 0), Packing::kForbidden);
  EXPECT_EQ(packing.PriceOfSwap(2, 1), -6 + 1 + 2 + 1) << "14 of 5 become 9, and 3 become 8";
  EXPECT_NE(packing.PriceOfShift(1, 1), Packing::kForbidden);
}

}  // namespace
}  // namespace truce::controller::pack
