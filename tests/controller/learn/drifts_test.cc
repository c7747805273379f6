// Drift over the fleet: told once, not while others disturb, remembered with what demand did, kept over a restart.
#include "controller/learn/drifts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "src/base/text.h"

namespace truce::controller {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A host with one workload of the application "cache" that can be told to fault and to use more.
class DriftsTest : public testing::Test {
 protected:
  DriftsTest() {
    host_.name = "web-1";
    host_.inventory.set_cpu_model("EPYC");
    host_.inventory.set_memory_bytes(uint64_t{8} << 30);
    host_.summary.cpu_busy_ratio = 0.5;
  }

  std::vector<std::string> Run(Drifts* drifts, int reports, double faults, double cores,
                               v1::Diagnosis diagnosis = v1::DIAGNOSIS_HEALTHY) {
    std::vector<std::string> kinds;
    for (int i = 0; i < reports; ++i) {
      host_.report.clear_workloads();
      auto* report = host_.report.add_workloads();
      report->mutable_workload()->set_name("redis");
      report->mutable_workload()->set_application("cache");
      report->set_diagnosis(diagnosis);
      auto* readings = report->mutable_readings();
      std::normal_distribution<double> normal(1, 0.1);
      readings->set_cpu_usage_cores(cores);
      readings->set_cpu_allowed_count(4);
      readings->set_cpu_system_ratio(0.2 * normal(random_));
      readings->set_page_faults_per_second(faults * cores * normal(random_));
      now_.wall += absl::Seconds(5);
      now_.monotonic += absl::Seconds(5);
      for (const auto& news : drifts->Observe(host_, now_)) {
        EXPECT_EQ(news.workload, "redis");
        kinds.push_back(news.kind);
        messages_.push_back(news.message);
      }
    }
    return kinds;
  }

  HostState host_;
  Moment now_{absl::FromUnixSeconds(1'700'000'000), absl::Hours(1)};
  std::mt19937_64 random_{1};
  std::vector<std::string> messages_;
};

TEST_F(DriftsTest, AnEpisodeIsToldOnceAndSaysWhatChanged) {
  Drifts drifts("c1");
  EXPECT_FALSE(drifts.Status(host_, "redis", true).has_value());
  EXPECT_THAT(Run(&drifts, 360, 500, 1), IsEmpty());
  EXPECT_FALSE(drifts.Status(host_, "redis", true)->drifting());
  EXPECT_THAT(Run(&drifts, 12, 20'000, 1), ElementsAre("drift")) << "within a minute";
  EXPECT_THAT(messages_[0], testing::HasSubstr("page faults per cpu second"));
  EXPECT_THAT(Run(&drifts, 100, 20'000, 1), IsEmpty());
  EXPECT_EQ(drifts.drifting(), 1);
  const auto status = drifts.Status(host_, "redis", true);
  EXPECT_TRUE(status->drifting());
  EXPECT_GT(status->magnitude(), 3);
  EXPECT_EQ(status->shifts(0).trait(), "page_faults_per_cpu_second");
  EXPECT_NEAR(status->shifts(0).usual(), 500, 50);
  EXPECT_NEAR(status->shifts(0).now(), 20'000, 4'000);
  EXPECT_THAT(Run(&drifts, 30, 500, 1), ElementsAre("drift_ended"));
  EXPECT_EQ(drifts.drifting(), 0);
}

TEST_F(DriftsTest, AWallClockThatWasAheadStopsNothing) {
  Drifts drifts("c1");
  Run(&drifts, 360, 500, 1);
  now_.wall += absl::Hours(24 * 365);
  Run(&drifts, 10, 500, 1);
  now_.wall -= absl::Hours(24 * 365);
  EXPECT_THAT(Run(&drifts, 12, 20'000, 1), ElementsAre("drift"));
  EXPECT_LT(absl::AbsDuration(ToTime(drifts.Status(host_, "redis", false)->began_at()) - now_.wall), absl::Minutes(2));
  Run(&drifts, 20, 20'000, 1);
  const auto episodes = drifts.TakeEpisodes();
  ASSERT_EQ(episodes.size(), 1u);
  EXPECT_EQ(episodes[0].demands(0).outcomes_size(), 1) << "a minute has passed";
  Run(&drifts, 360, 20'000, 1);
  EXPECT_THAT(drifts.TakeBaselines(now_, 10), testing::SizeIs(1)) << "and more than half an hour";
}

TEST_F(DriftsTest, MoreLoadAloneIsNoDrift) {
  Drifts drifts("c1");
  Run(&drifts, 360, 500, 0.5);
  EXPECT_THAT(Run(&drifts, 100, 500, 3), IsEmpty());
}

TEST_F(DriftsTest, WhatOthersDoToItIsNoDriftOfItsOwn) {
  Drifts drifts("c1");
  Run(&drifts, 360, 500, 1);
  EXPECT_THAT(Run(&drifts, 100, 20'000, 1, v1::DIAGNOSIS_NEIGHBOUR), IsEmpty());
  auto* held = &host_.held.emplace_back();
  held->mutable_action()->set_workload("redis");
  held->mutable_action()->set_mode(v1::MODE_ENFORCE);
  EXPECT_THAT(Run(&drifts, 100, 20'000, 1), IsEmpty());
  host_.held.clear();
  EXPECT_THAT(Run(&drifts, 12, 20'000, 1), ElementsAre("drift")) << "it is so by itself as well";
}

TEST_F(DriftsTest, AnEpisodeSeenBeforeTellsWhatDemandDoesNext) {
  v1::DriftEpisode stored;
  {
    Drifts drifts("c1");
    Run(&drifts, 360, 500, 1);
    Run(&drifts, 20, 20'000, 1.2);
    Run(&drifts, 100, 20'000, 2);
    const auto episodes = drifts.TakeEpisodes();
    ASSERT_EQ(episodes.size(), 1u);
    stored = episodes[0];
    EXPECT_THAT(drifts.TakeEpisodes(), IsEmpty());
    EXPECT_EQ(stored.application(), "cache");
    ASSERT_GE(stored.demands_size(), 1);
    EXPECT_NEAR(stored.demands(0).usual(), 1, 0.05);
    ASSERT_EQ(stored.demands(0).outcomes_size(), 2) << "after a minute and after five";
    EXPECT_NEAR(stored.demands(0).outcomes(1).change_factor(), 2, 0.2);
  }
  Drifts drifts("c2");
  drifts.Restore(stored);
  Run(&drifts, 360, 500, 1);
  Run(&drifts, 10, 20'000, 1.2);
  const auto status = drifts.Status(host_, "redis", true);
  ASSERT_TRUE(status->drifting());
  ASSERT_EQ(status->nearest_size(), 1) << "not itself";
  EXPECT_EQ(status->nearest(0).episode().episode_id(), stored.episode_id());
  ASSERT_EQ(status->predictions_size(), 2);
  EXPECT_NEAR(status->predictions(1).increase_factor(), 1, 0.25) << "twice as much, within a quarter";
  EXPECT_DOUBLE_EQ(status->predictions(1).damped_increase_factor(), status->predictions(1).increase_factor() / 2);
  EXPECT_EQ(drifts.Status(host_, "redis", false)->nearest_size(), 0);
}

TEST_F(DriftsTest, BaselinesAreStoredNowAndThenAndTakenOver) {
  Drifts drifts("c1");
  Run(&drifts, 200, 500, 1);
  EXPECT_THAT(drifts.TakeBaselines(now_, 10), IsEmpty()) << "not yet";
  Run(&drifts, 300, 500, 1);
  const auto stored = drifts.TakeBaselines(now_, 10);
  ASSERT_EQ(stored.size(), 1u);
  EXPECT_THAT(drifts.TakeBaselines(now_, 10), IsEmpty());
  EXPECT_EQ(stored[0].application(), "cache");
  EXPECT_EQ(stored[0].cpu_model(), "EPYC");
  EXPECT_EQ(stored[0].size_bucket(), 2u);
  Drifts next("c2");
  next.Restore(stored[0], now_.wall);
  next.Restore(stored[0], now_.wall - absl::Hours(2));
  next.Restore(v1::ApplicationBaseline(), now_.wall);
  EXPECT_EQ(next.baselines(), 1u);
  Drifts before("c3");
  before.Restore(stored[0], now_.wall - absl::Hours(2));
  EXPECT_EQ(before.baselines(), 0u) << "a clock went wrong";
}

TEST_F(DriftsTest, WorkloadsThatAreGoneAreForgotten) {
  Drifts drifts("c1");
  Run(&drifts, 360, 500, 1);
  Run(&drifts, 12, 20'000, 1);
  EXPECT_EQ(drifts.drifting(), 1);
  host_.report.clear_workloads();
  now_.wall += absl::Hours(2);
  now_.monotonic += absl::Hours(2);
  EXPECT_THAT(drifts.Observe(host_, now_), IsEmpty());
  EXPECT_EQ(drifts.drifting(), 0);
  EXPECT_FALSE(drifts.Status(host_, "redis", false).has_value());
}

}  // namespace
}  // namespace truce::controller
