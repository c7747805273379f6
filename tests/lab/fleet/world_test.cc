// What a world is made of.
#include "lab/fleet/world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "src/base/text.h"
#include "tests/fixtures/tree.h"

namespace truce::lab::fleet {
namespace {

WorldOptions Small() {
  WorldOptions options;
  options.hosts = 50;
  options.hours = 6;
  return options;
}

TEST(WorldTest, AsManyRunAsWereAskedForAndStayAsMany) {
  const auto world = MakeWorld(Small());
  ASSERT_TRUE(world.ok()) << world.status();
  for (const int32_t step : {world->warm_up_steps, world->steps - 1}) {
    int running = 0;
    int critical = 0;
    for (const Life& life : world->lives) {
      if (life.begins > step || life.ends <= step) continue;
      ++running;
      critical += life.request.workload_class == WorkloadClass::kCritical ? 1 : 0;
    }
    EXPECT_NEAR(running, 1'000, 100) << step;
    EXPECT_NEAR(critical, 300, 60) << step;
  }
}

TEST(WorldTest, LivesComeInOrderAndServicesTogether) {
  const auto world = MakeWorld(Small());
  ASSERT_TRUE(world.ok()) << world.status();
  std::map<int64_t, std::vector<const Life*>> groups;
  for (size_t i = 0; i < world->lives.size(); ++i) {
    const Life& life = world->lives[i];
    EXPECT_EQ(life.request.workload, static_cast<int64_t>(i));
    EXPECT_LT(life.begins, life.ends);
    EXPECT_LE(world->lives[i == 0 ? 0 : i - 1].begins, life.begins);
    if (life.request.group >= 0) groups[life.request.group].push_back(&life);
    for (const int32_t step : {0, 17, 300}) {
      EXPECT_GE(world->DemandCores(life, step), 0);
      EXPECT_LE(world->DemandCores(life, step), life.request.cpus);
    }
  }
  EXPECT_GT(groups.size(), 50U);
  for (const auto& [_, lives] : groups) {
    EXPECT_GE(lives.size(), 2U);
    for (const Life* life : lives) {
      EXPECT_EQ(life->request.application, lives[0]->request.application);
      EXPECT_EQ(life->ends, lives[0]->ends);
      EXPECT_NE(life->request.workload_class, WorkloadClass::kBestEffort);
    }
  }
}

TEST(WorldTest, ADayThatWasRecordedIsReplayed) {
  test::Tree tree;
  std::string day = "vm";
  for (int i = 0; i < 288; ++i) StrAppend(&day, ",t", i);
  day += "\nsteady";
  for (int i = 0; i < 288; ++i) day += ",25";
  tree.Put("day.csv", day + "\n");
  WorldOptions options = Small();
  options.traces = tree.Path("day.csv");
  const auto world = MakeWorld(options);
  ASSERT_TRUE(world.ok()) << world.status();
  for (const Life& life : world->lives) EXPECT_FLOAT_EQ(world->DemandCores(life, 100), life.request.cpus / 4);
}

TEST(WorldTest, WhatMakesNoFleetIsRefused) {
  WorldOptions options = Small();
  options.traces = "/nowhere/day.csv";
  EXPECT_THAT(MakeWorld(options).status().ToString(), testing::HasSubstr("/nowhere/day.csv"));
  options = Small();
  options.hosts = 0;
  EXPECT_THAT(MakeWorld(options).status().ToString(), testing::HasSubstr("can't be simulated"));
  options = Small();
  options.hours = 0;
  EXPECT_THAT(MakeWorld(options).status().ToString(), testing::HasSubstr("can't be simulated"));
  options = Small();
  options.truth.applications = 3;
  EXPECT_THAT(MakeWorld(options).status().ToString(), testing::HasSubstr("3 applications are too few"));
}

}  // namespace
}  // namespace truce::lab::fleet
