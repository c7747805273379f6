// With what value a cache class begins on which host, how far it is cut, and the planner's rounds with it.
#include "controller/plan/cache_class.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/controller/plan/bench_host.h"

namespace truce::controller {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Optional;

constexpr v1::Lever kClass = v1::LEVER_CACHE_CLASS;
constexpr char kStress[] = "truce/stress";

v1::CacheControl Intel() {
  v1::CacheControl control;
  control.set_available(true);
  control.set_classes(8);
  control.set_cache_ways(11);
  control.set_least_cache_ways(1);
  control.set_bandwidth_unit(v1::BANDWIDTH_UNIT_PERCENT);
  control.set_least_bandwidth_ratio(0.1);
  return control;
}

v1::CacheControl Amd() {
  v1::CacheControl control = Intel();
  control.set_cache_ways(16);
  control.set_bandwidth_unit(v1::BANDWIDTH_UNIT_ABSOLUTE);
  control.clear_least_bandwidth_ratio();
  return control;
}

v1::WorkloadReport Giver(v1::WorkloadClass workload_class = v1::WORKLOAD_CLASS_BEST_EFFORT) {
  v1::WorkloadReport giver;
  giver.mutable_workload()->set_workload_class(workload_class);
  return giver;
}

// What a class begins with, or why not.
std::string Begin(const v1::CacheControl& host, const v1::WorkloadReport& giver, v1::Resource resource) {
  v1::LeasedAction action;
  const auto problem = BeginCacheClass(host, giver, resource, DefaultPolicy(), &action);
  if (problem) {
    EXPECT_EQ(CacheClassWords(action), "") << "nothing is set where something is wrong";
  }
  return problem.value_or(CacheClassWords(action));
}

TEST(CacheClassTest, BeginsWithAShare) {
  EXPECT_EQ(Begin(Intel(), Giver(), v1::RESOURCE_LLC), "50 % of the cache");
  EXPECT_EQ(Begin(Intel(), Giver(v1::WORKLOAD_CLASS_STANDARD), v1::RESOURCE_LLC), "75 % of the cache");
  EXPECT_EQ(Begin(Intel(), Giver(), v1::RESOURCE_MEMORY_BANDWIDTH), "50 % of the memory bandwidth");
  EXPECT_EQ(Begin(Amd(), Giver(), v1::RESOURCE_LLC), "50 % of the cache");
}

TEST(CacheClassTest, WhereBandwidthIsBoundedInBytesItBeginsWithWhatIsUsed) {
  v1::WorkloadReport giver = Giver();
  EXPECT_THAT(Begin(Amd(), giver, v1::RESOURCE_MEMORY_BANDWIDTH), HasSubstr("is not known without hardware counters"));
  giver.mutable_readings()->set_dram_fill_bytes_per_second(10e9);
  EXPECT_EQ(Begin(Amd(), giver, v1::RESOURCE_MEMORY_BANDWIDTH), "6.0 GB of memory a second");
  giver.mutable_readings()->set_dram_fill_bytes_per_second(1e9);
  EXPECT_THAT(Begin(Amd(), giver, v1::RESOURCE_MEMORY_BANDWIDTH), HasSubstr("can't go below the floor"));
  giver.mutable_readings()->set_dram_fill_bytes_per_second(1e300);
  EXPECT_THAT(Begin(Amd(), giver, v1::RESOURCE_MEMORY_BANDWIDTH), HasSubstr("can't go below the floor"));
}

TEST(CacheClassTest, WhatTheHostCantBoundIsSaid) {
  v1::CacheControl host = Intel();
  host.set_cache_ways(0);
  EXPECT_THAT(Begin(host, Giver(), v1::RESOURCE_LLC), HasSubstr("can't bound the cache on this host"));
  host = Intel();
  host.set_bandwidth_unit(v1::BANDWIDTH_UNIT_UNSPECIFIED);
  EXPECT_THAT(Begin(host, Giver(), v1::RESOURCE_MEMORY_BANDWIDTH), HasSubstr("can't bound memory bandwidth"));
  host.set_cache_ways(2);
  host.set_least_cache_ways(2);
  EXPECT_THAT(Begin(host, Giver(), v1::RESOURCE_LLC), HasSubstr("whole caches only"));
}

TEST(CacheClassTest, IsCutUntilTheHostCanTellNoDifference) {
  v1::LeasedAction action;
  action.set_cache_ratio(0.5);
  std::vector<std::string> values;
  while (CutCacheClass(Intel(), Giver(), v1::RESOURCE_LLC, DefaultPolicy(), &action))
    values.push_back(CacheClassWords(action));
  // Six ways, four, two; 11 % would be two again.
  EXPECT_THAT(values, ElementsAre("30 % of the cache", "18 % of the cache"));
  values.clear();
  action.Clear();
  action.set_memory_bandwidth_ratio(0.5);
  while (CutCacheClass(Intel(), Giver(), v1::RESOURCE_MEMORY_BANDWIDTH, DefaultPolicy(), &action))
    values.push_back(CacheClassWords(action));
  EXPECT_THAT(values, ElementsAre("30 % of the memory bandwidth", "18 % of the memory bandwidth",
                                  "11 % of the memory bandwidth", "10 % of the memory bandwidth"));
  action.Clear();
  action.set_memory_bandwidth_bytes_per_second(2'000'000'000);
  EXPECT_TRUE(CutCacheClass(Amd(), Giver(), v1::RESOURCE_MEMORY_BANDWIDTH, DefaultPolicy(), &action));
  EXPECT_TRUE(CutCacheClass(Amd(), Giver(), v1::RESOURCE_MEMORY_BANDWIDTH, DefaultPolicy(), &action));
  EXPECT_EQ(action.memory_bandwidth_bytes_per_second(), 1'000'000'000u);
  EXPECT_FALSE(CutCacheClass(Amd(), Giver(), v1::RESOURCE_MEMORY_BANDWIDTH, DefaultPolicy(), &action));
}

TEST(CacheClassTest, TheOtherBoundComesBesideTheFirst) {
  v1::LeasedAction action;
  action.set_cache_ratio(0.3);
  ASSERT_TRUE(CutCacheClass(Intel(), Giver(), v1::RESOURCE_MEMORY_BANDWIDTH, DefaultPolicy(), &action));
  EXPECT_EQ(CacheClassWords(action), "30 % of the cache and 50 % of the memory bandwidth");
  EXPECT_FALSE(CutCacheClass(Amd(), Giver(), v1::RESOURCE_MEMORY_BANDWIDTH, DefaultPolicy(), &(action = {})))
      << "what it uses is not known";
}

v1::Report Scene(v1::Resource resource) {
  v1::Report report = MakeScene(90, 2, resource);
  report.mutable_workloads(1)->mutable_workload()->add_allowed_levers(kClass);
  return report;
}

v1::Hello HelloOf(const v1::CacheControl& control) {
  v1::Hello hello = MakeHello("web-1", 8);
  *hello.mutable_inventory()->mutable_cache_control() = control;
  return hello;
}

TEST(CacheClassPlanTest, ComesFirstAgainstCacheContentionAndIsCut) {
  BenchHost host(HelloOf(Intel()));
  host.Round(Scene(v1::RESOURCE_LLC));
  const PlannedAction* planned = host.Find(kStress, kClass);
  ASSERT_NE(planned, nullptr);
  EXPECT_EQ(planned->action.cache_ratio(), 0.5);
  EXPECT_EQ(planned->action.memory_bandwidth_ratio(), 0);
  EXPECT_THAT(planned->action.reason(), HasSubstr("cache_class, 50 % of the cache"));
  host.ApplyAll();
  EXPECT_THAT(Verdicts(host.Round(Scene(v1::RESOURCE_LLC))), ElementsAre("tighten"));
  EXPECT_DOUBLE_EQ(host.Find(kStress, kClass)->action.cache_ratio(), 0.3);
  EXPECT_THAT(host.Find(kStress, kClass)->action.reason(), HasSubstr("cache_class of 30 % of the cache"));
  for (int i = 0; i < 5; ++i) {
    host.ApplyAll();
    host.Round(Scene(v1::RESOURCE_LLC));
  }
  EXPECT_DOUBLE_EQ(host.Find(kStress, kClass)->action.cache_ratio(), 0.18);
  EXPECT_NE(host.Find(kStress, v1::LEVER_CPU_PIN), nullptr) << "then another lever follows";
}

TEST(CacheClassPlanTest, BoundsTheBandwidthInTheHostsUnit) {
  BenchHost intel(HelloOf(Intel()));
  intel.Round(Scene(v1::RESOURCE_MEMORY_BANDWIDTH));
  ASSERT_NE(intel.Find(kStress, kClass), nullptr);
  EXPECT_EQ(intel.Find(kStress, kClass)->action.memory_bandwidth_ratio(), 0.5);
  BenchHost amd(HelloOf(Amd()));
  v1::Report scene = Scene(v1::RESOURCE_MEMORY_BANDWIDTH);
  amd.Round(scene);
  EXPECT_EQ(amd.Find(kStress, kClass), nullptr) << "how much it uses is not known";
  EXPECT_NE(amd.Find(kStress, v1::LEVER_CPU_PIN), nullptr);
  BenchHost counted(HelloOf(Amd()));
  scene.mutable_workloads(1)->mutable_readings()->set_dram_fill_bytes_per_second(20e9);
  counted.Round(scene);
  ASSERT_NE(counted.Find(kStress, kClass), nullptr);
  EXPECT_EQ(counted.Find(kStress, kClass)->action.memory_bandwidth_bytes_per_second(), 12'000'000'000u);
}

TEST(CacheClassPlanTest, IsReleasedWhenThePairIsCalm) {
  BenchHost host(HelloOf(Intel()));
  host.Round(Scene(v1::RESOURCE_LLC));
  host.ApplyAll();
  v1::Report calm = MakeScene(5, 2, v1::RESOURCE_LLC);
  calm.mutable_workloads(1)->mutable_workload()->add_allowed_levers(kClass);
  for (int i = 0; i < 20; ++i) host.Round(calm);
  EXPECT_EQ(host.Find(kStress, kClass), nullptr);
}

TEST(CacheClassPlanTest, WhereTheHostHasNoneItSaysWhy) {
  v1::Hello hello = MakeHello("web-1", 8);
  v1::MissingCapability* missing = hello.mutable_inventory()->add_missing();
  missing->set_name("resctrl");
  missing->set_reason("resctrl is not mounted");
  BenchHost host(hello);
  v1::Report scene = Scene(v1::RESOURCE_LLC);
  v1::Workload* stress = scene.mutable_workloads(1)->mutable_workload();
  stress->clear_allowed_levers();
  stress->add_allowed_levers(kClass);
  auto decisions = host.Round(scene);
  ASSERT_THAT(Verdicts(decisions), ElementsAre("leave_alone"));
  EXPECT_THAT(decisions[0].reason(), HasSubstr("cache_class is missing on the host (resctrl: resctrl is not mounted)"));
  BenchHost of_an_earlier_version;
  decisions = of_an_earlier_version.Round(scene);
  ASSERT_THAT(Verdicts(decisions), ElementsAre("leave_alone"));
  EXPECT_THAT(decisions[0].reason(), HasSubstr("names no classes"));
}

}  // namespace
}  // namespace truce::controller
