#include "controller/plan/place/census.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace truce::controller {
namespace {

TEST(CensusTest, CountsWhoIsWhereAndHowLargeTheyAre) {
  Census census;
  census.Put(0, {{"web", 1}, {"web", 3}, {"db", 0.5}});
  census.Put(1, {{"web", 2}});
  EXPECT_EQ(census.On(0, "web"), 2);
  EXPECT_EQ(census.On(1, "db"), 0);
  EXPECT_THAT(*census.HostsOf("web"), testing::UnorderedElementsAre(testing::Pair(0, 2), testing::Pair(1, 1)));
  EXPECT_DOUBLE_EQ(census.MeanCores("web"), 2);
  EXPECT_DOUBLE_EQ(census.MeanCores("nobody"), 0);
  EXPECT_NEAR(census.Weight("web"), 1.5, 1e-8) << "the first host has a second application";
  EXPECT_NEAR(census.Weight("db"), 0.5, 1e-8);
  census.Put(1, {{"web", 2}, {"web", 0}});
  EXPECT_EQ(census.On(1, "web"), 2);
  EXPECT_DOUBLE_EQ(census.MeanCores("web"), 2) << "whose size nobody knows counts for none";
  census.Put(1, {{"web", 2}});
  census.Put(0, {{"web", 4}});
  EXPECT_DOUBLE_EQ(census.MeanCores("web"), 3);
  EXPECT_EQ(census.HostsOf("db"), nullptr);
  census.Put(0, {});
  census.Put(1, {});
  EXPECT_EQ(census.HostsOf("web"), nullptr);
  EXPECT_DOUBLE_EQ(census.MeanCores("web"), 0);
}

TEST(CensusTest, WhateverComesAndGoesNothingIsLeftOver) {
  Census census;
  std::mt19937_64 random(1);
  for (int i = 0; i < 10'000; ++i) {
    std::vector<std::pair<std::string, double>> there;
    for (uint64_t n = random() % 5; n > 0; --n) {
      there.emplace_back(random() % 2 == 0 ? "a" : "b", 1e-5 * static_cast<double>(random() % 4 * 100'000));
    }
    census.Put(static_cast<int32_t>(random() % 7), std::move(there));
  }
  for (int32_t host = 0; host < 7; ++host) census.Put(host, {});
  census.Put(3, {{"a", 0.125}});
  EXPECT_DOUBLE_EQ(census.MeanCores("a"), 0.125);
  EXPECT_EQ(census.HostsOf("b"), nullptr);
  EXPECT_DOUBLE_EQ(census.Weight("a"), 1);
}

}  // namespace
}  // namespace truce::controller
