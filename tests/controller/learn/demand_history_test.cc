// What workloads used: averaged to steps, gaps kept as gaps, within bounds, and kept over a restart.
#include "controller/learn/demand_history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "src/base/text.h"

namespace truce::controller {
namespace {

using testing::ElementsAre;
using testing::IsNan;
using testing::SizeIs;

constexpr int64_t kStart = 1'700'000'010;  // a whole number of 30 s

class DemandHistoryTest : public testing::Test {
 protected:
  DemandHistoryTest() { host_.name = "h1"; }

  v1::WorkloadReport* Add(const std::string& name, double cores, const std::string& application = "web") {
    auto* report = host_.report.add_workloads();
    report->mutable_workload()->set_name(name);
    report->mutable_workload()->set_application(application);
    report->mutable_readings()->set_cpu_usage_cores(cores);
    return report;
  }
  void Observe(DemandHistory* history, int64_t second) {
    history->Observe(host_, {absl::FromUnixSeconds(kStart + second), absl::Seconds(second)});
    host_.report.clear_workloads();
  }
  // One report of one workload a step.
  void Run(DemandHistory* history, int64_t from_step, int64_t until_step, const std::string& name = "w") {
    for (int64_t step = from_step; step < until_step; ++step) {
      Add(name, static_cast<double>(step));
      Observe(history, 30 * step);
    }
  }

  HostState host_;
};

TEST_F(DemandHistoryTest, ReportsAreAveragedToStepsAndGapsStayGaps) {
  DemandHistory history;
  for (const double cores : {1.0, 2.0, 3.0}) {
    auto* readings = Add("redis", cores)->mutable_readings();
    readings->set_memory_usage_bytes(100);
    readings->set_disk_read_bytes_per_second(5);
    readings->set_disk_write_bytes_per_second(cores);
    Observe(&history, 5 * static_cast<int64_t>(cores));
  }
  Add("redis", 9);
  Observe(&history, 35);
  Add("redis", 7);
  Observe(&history, 30 * 4);
  Add("redis", 1);
  Observe(&history, 30 * 5);  // the step before it is whole now
  const auto snapshot = history.Snapshot();
  EXPECT_EQ(snapshot.step().seconds(), 30);
  ASSERT_THAT(snapshot.workloads(), SizeIs(1));
  const auto& block = snapshot.workloads(0);
  EXPECT_EQ(block.began_at().seconds(), kStart);
  EXPECT_EQ(block.workload(), "redis");
  EXPECT_EQ(block.application(), "web");
  EXPECT_THAT(block.cpu_cores(), ElementsAre(2, 9, IsNan(), IsNan(), 7));
  EXPECT_THAT(block.memory_bytes(), ElementsAre(100, IsNan(), IsNan(), IsNan(), IsNan()));
  EXPECT_THAT(block.disk_bytes_per_second(), ElementsAre(7, IsNan(), IsNan(), IsNan(), IsNan()));
  EXPECT_THAT(block.network_bytes_per_second(), SizeIs(0)) << "never known";
  EXPECT_EQ(history.values(), 5u);
  EXPECT_EQ(history.span_steps(), 5u);
}

TEST_F(DemandHistoryTest, WhatAnActionLeavesAWorkloadIsNotItsDemand) {
  DemandHistory history;
  auto& held = host_.held.emplace_back();
  held.mutable_action()->set_workload("batch");
  held.mutable_action()->set_mode(v1::MODE_ENFORCE);
  for (int64_t step = 0; step < 3; ++step) {
    if (step == 1) host_.held.clear();
    Add("batch", 4);
    Observe(&history, 30 * step);
  }
  Run(&history, 3, 4, "batch");
  EXPECT_THAT(history.Snapshot().workloads(0).cpu_cores(), ElementsAre(IsNan(), 4, 4));
}

TEST_F(DemandHistoryTest, ItGoesBackSoFarAndNoFarther) {
  DemandHistory history({.most_workloads = 2, .steps = 200});
  Run(&history, 0, 1'000);
  EXPECT_EQ(history.span_steps(), 200u);
  EXPECT_EQ(history.values(), 200u);
  const auto block = history.Snapshot().workloads(0);
  EXPECT_THAT(block.cpu_cores(), SizeIs(200)) << "up to the step that goes on";
  EXPECT_EQ(block.cpu_cores(199), 998);
  EXPECT_EQ(block.began_at().seconds(), kStart + 30 * 799);
}

TEST_F(DemandHistoryTest, ManyWorkloadsOfOneApplicationLeaveRoomForOthersInBoundedMemory) {
  DemandHistory history;
  for (int64_t step = 0; step < 3; ++step) {
    for (int i = 0; i < 2'000; ++i) {
      auto* readings = Add(StrCat("web", i), 1, "web")->mutable_readings();
      readings->set_memory_usage_bytes(1);
      readings->set_disk_read_bytes_per_second(1);
      readings->set_disk_write_bytes_per_second(1);
      readings->set_network_receive_bytes_per_second(1);
      readings->set_network_transmit_bytes_per_second(1);
    }
    for (int i = 0; i < 20; ++i) Add(StrCat("db", i), 1, "db");
    Observe(&history, 30 * step);
  }
  EXPECT_EQ(history.workloads(), 500u);
  int databases = 0;
  const auto snapshot = history.Snapshot();
  for (const auto& block : snapshot.workloads()) databases += block.application() == "db";
  EXPECT_EQ(databases, 20);
  EXPECT_EQ(history.values(), 2u * (480 * 4 + 20));
  EXPECT_LT(history.memory_bytes(), size_t{24} << 20) << "full but for some demands of the databases";
  EXPECT_GT(history.memory_bytes(), size_t{20} << 20);
}

TEST_F(DemandHistoryTest, WorkloadsThatLivedForMinutesMakeRoomAndThoseThatLivedForADayStay) {
  DemandHistory history;
  Run(&history, 0, 200, "long");
  Run(&history, 200, 230, "short");
  Run(&history, 230, 500, "other");
  const auto names = [&] {
    std::vector<std::string> all;
    const auto snapshot = history.Snapshot();
    for (const auto& block : snapshot.workloads()) all.push_back(block.workload());
    return all;
  };
  EXPECT_THAT(names(), testing::UnorderedElementsAre("long", "other"));
  Run(&history, 500, 200 + 2'900, "other");
  EXPECT_THAT(names(), ElementsAre("other")) << "a day after its end nothing of it is left";
  EXPECT_EQ(history.values(), 2'869u);
}

TEST_F(DemandHistoryTest, ARestartLosesAtMostWhatWasNotStoredYet) {
  DemandHistory before;
  std::map<int64_t, v1::DemandBlock> stored;
  for (int64_t step = 0; step < 500; ++step) {
    Run(&before, step, step + 1);
    for (auto& block : before.TakeBlocks(100)) stored[block.began_at().seconds()] = std::move(block);
  }
  EXPECT_THAT(stored, SizeIs(5)) << "blocks of an hour, by the clock";
  for (const auto& [_, block] : stored) EXPECT_LE(block.cpu_cores_size(), DemandHistory::kBlockSteps);
  DemandHistory after;
  const absl::Time now = absl::FromUnixSeconds(kStart + 30 * 510);
  for (const auto& [_, block] : stored) after.Restore(block, now);
  EXPECT_GE(after.values(), 480u);
  EXPECT_THAT(after.TakeBlocks(100), SizeIs(0)) << "it is stored already";
  Run(&after, 510, 531);
  const auto whole = after.Snapshot().workloads(0);
  EXPECT_EQ(whole.began_at().seconds(), kStart);
  ASSERT_THAT(whole.cpu_cores(), SizeIs(530));
  for (int step = 0; step < 480; ++step) EXPECT_EQ(whole.cpu_cores(step), static_cast<float>(step));
  EXPECT_TRUE(std::isnan(whole.cpu_cores(505)));
  EXPECT_EQ(whole.cpu_cores(520), 520);
  const auto more = after.TakeBlocks(100);
  ASSERT_FALSE(more.empty());
  EXPECT_TRUE(stored.contains(more[0].began_at().seconds())) << "the block that went on is stored in its place";
}

TEST_F(DemandHistoryTest, WhatIsOldOrFromTheFutureOrBrokenIsNotTakenOver) {
  DemandHistory history;
  const absl::Time now = absl::FromUnixSeconds(kStart);
  v1::DemandBlock block;
  block.set_workload("w");
  for (int i = 0; i < 20; ++i) block.add_cpu_cores(1);
  const auto restore_at = [&](int64_t second) {
    block.mutable_began_at()->set_seconds(kStart + second);
    history.Restore(block, now);
    return history.workloads();
  };
  EXPECT_EQ(restore_at(-25 * 3600), 0u);
  EXPECT_EQ(restore_at(24 * 3600), 0u);
  EXPECT_EQ(restore_at(-3601), 0u) << "on no step";
  block.add_memory_bytes(7);
  EXPECT_EQ(restore_at(-3600), 1u) << "of a list that is too short the rest is not known";
  EXPECT_EQ(history.values(), 21u);
  history.Restore({}, now);
  for (int i = 0; i < 200; ++i) block.add_cpu_cores(1);
  history.Restore(block, now);
  EXPECT_EQ(history.values(), 21u);
}

TEST_F(DemandHistoryTest, AClockThatWasWrongIsStartedAnewFrom) {
  DemandHistory history;
  Run(&history, 1'000'000, 1'000'010);
  Run(&history, 0, 10);
  EXPECT_EQ(history.span_steps(), 9u);
  EXPECT_EQ(history.Snapshot().workloads(0).began_at().seconds(), kStart);
  // Set back by a minute, which is nothing.
  Run(&history, 8, 12);
  EXPECT_EQ(history.values(), 11u);
}

}  // namespace
}  // namespace truce::controller
