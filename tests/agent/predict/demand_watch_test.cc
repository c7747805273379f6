#include "agent/predict/demand_watch.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "models/forecast/methods.h"
#include "tests/agent/predict/stage.h"

namespace truce::agent {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class DemandWatchTest : public testing::Test {
 protected:
  DemandWatchTest() : watch_({.step = absl::Seconds(10), .errors_interval = absl::Minutes(1)}, stage_.clock()) {
    watch_.UseModel([] { return NewNaiveForecaster(); }, "abc");
    stage_["web"].cores = 1;
  }
  void Seconds(int count) {
    for (int i = 0; i < count; ++i) {
      stage_.Second();
      watch_.Tick(stage_.profiles());
    }
  }
  uint64_t Key(const std::string& name) { return stage_.ProfileOf(name).identity.key; }
  v1::WorkloadReport Report(const std::string& name) {
    v1::WorkloadReport report;
    watch_.Fill(Key(name), &report);
    return report;
  }
  static const v1::DemandForecast* Find(const v1::WorkloadReport& report, v1::Resource resource) {
    for (const auto& forecast : report.forecasts()) {
      if (forecast.resource() == resource) return &forecast;
    }
    return nullptr;
  }

  Stage stage_;
  DemandWatch watch_;
};

TEST_F(DemandWatchTest, ForetellsFromTheFourthStepOnAndTellsItOnce) {
  Seconds(20);
  EXPECT_THAT(Report("web").forecasts(), IsEmpty()) << "nothing is known yet";
  Seconds(40);
  const v1::WorkloadReport report = Report("web");
  const v1::DemandForecast* cpu = Find(report, v1::RESOURCE_CPU);
  ASSERT_NE(cpu, nullptr);
  EXPECT_NEAR(cpu->newest(), 1, 0.1);
  ASSERT_EQ(cpu->ahead_seconds_size(), static_cast<int>(kDemandHorizons.size()));
  EXPECT_EQ(cpu->ahead_seconds(0), 10);
  EXPECT_EQ(cpu->ahead_seconds(4), 120);
  for (int h = 0; h < cpu->ahead_seconds_size(); ++h) {
    EXPECT_LE(cpu->p50(h), cpu->p90(h));
    EXPECT_LE(cpu->p90(h), cpu->p95(h));
    EXPECT_LE(cpu->p95(h), cpu->p99(h));
    EXPECT_LE(cpu->p95(h), cpu->peak_p95(h) + 1e-6);
  }
  EXPECT_EQ(Find(report, v1::RESOURCE_MEMORY), nullptr) << "there are no readings of it";
  EXPECT_THAT(Report("web").forecasts(), IsEmpty()) << "told already";
  Seconds(10);
  EXPECT_THAT(Report("web").forecasts(), testing::Not(IsEmpty()));
}

TEST_F(DemandWatchTest, AJumpOutOfTheBandIsToldOnceAndWidensTheMargin) {
  Seconds(300);
  EXPECT_THAT(watch_.TakeEvents(), IsEmpty());
  stage_["web"].cores = 3;
  Seconds(20);
  const auto events = watch_.TakeEvents();
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].kind(), "demand_jump");
  EXPECT_EQ(events[0].workload(), "w/web");
  EXPECT_THAT(events[0].message(), HasSubstr("CPU use of "));
  EXPECT_THAT(events[0].message(), HasSubstr(" cores was foretold; its margin is wider for 10m"));
  const v1::WorkloadReport report = Report("web");
  EXPECT_TRUE(Find(report, v1::RESOURCE_CPU)->has_widened_for());
  stage_["web"].cores = 1;
  Seconds(900);
  (void)Report("web");
  Seconds(10);
  EXPECT_FALSE(Find(Report("web"), v1::RESOURCE_CPU)->has_widened_for()) << "it is over";
}

TEST_F(DemandWatchTest, ErrorsAreCountedByApplicationAndHorizon) {
  stage_["api"].cores = 0.5;
  Seconds(70);
  for (const auto& errors : watch_.TakeErrors()) EXPECT_GT(errors.count(), 0u);
  Seconds(600);
  int cpu = 0;
  for (const auto& errors : watch_.TakeErrors()) {
    EXPECT_EQ(errors.model_sha256(), "abc");
    EXPECT_GE(errors.loss_sum(), 0);
    EXPECT_GT(errors.naive_loss_sum(), 0);
    EXPECT_LE(errors.above_p95_count(), errors.count());
    if (errors.resource() == v1::RESOURCE_CPU) ++cpu;
    // The naive method's median is the newest value, and its band must not make it worse than none by much.
    EXPECT_LT(errors.loss_sum(), 2 * errors.naive_loss_sum());
    EXPECT_NEAR(static_cast<double>(errors.count()), 60, 15);
  }
  EXPECT_EQ(cpu, static_cast<int>(2 * kDemandHorizons.size()));
  EXPECT_THAT(watch_.TakeErrors(), IsEmpty()) << "not yet again";
}

// One that hardly ever moves has next to no mean change to measure its errors by.
TEST_F(DemandWatchTest, ASeriesThatDidNotMoveUntilNowOutweighsNoOther) {
  Seconds(600);
  (void)watch_.TakeErrors();
  stage_["web"].cores = 40;
  Seconds(60);
  stage_["web"].cores = 1;
  Seconds(60);
  const auto all = watch_.TakeErrors();
  ASSERT_THAT(all, testing::Not(IsEmpty()));
  double most = 0;
  for (const auto& errors : all) {
    const double bound = 100.0 * static_cast<double>(errors.count());
    EXPECT_LE(errors.loss_sum(), bound);
    EXPECT_LE(errors.naive_loss_sum(), bound);
    EXPECT_LE(errors.squared_gain_sum(), 100 * bound);
    most = std::max(most, errors.naive_loss_sum() / static_cast<double>(errors.count()));
  }
  EXPECT_GT(most, 20) << "it was one that would have";
}

// A report takes so many; those of no application are left out for good.
TEST_F(DemandWatchTest, ErrorsThatAreTooManyForOneReportComeWithTheNextOnes) {
  for (const char* name : {"api", "db", "mail"}) stage_[name].cores = 0.5;
  DemandWatch few({.step = absl::Seconds(10), .errors_interval = absl::Minutes(1), .most_errors = 7}, stage_.clock());
  few.UseModel([] { return NewNaiveForecaster(); }, "abc");
  std::map<std::pair<std::string, int64_t>, std::pair<uint64_t, double>> all, told;
  std::set<std::string> applications;
  const auto add = [](const std::vector<v1::ForecastErrors>& sums, auto* to) {
    for (const v1::ForecastErrors& sum : sums) {
      auto& [count, loss] = (*to)[{sum.application(), sum.ahead().seconds()}];
      count += sum.count();
      loss += sum.loss_sum();
    }
  };
  for (int minute = 0; minute < 10; ++minute) {
    for (int i = 0; i < 60; ++i) {
      stage_.Second();
      watch_.Tick(stage_.profiles());
      few.Tick(stage_.profiles());
    }
    add(watch_.TakeErrors(), &all);
    const auto sums = few.TakeErrors();
    EXPECT_THAT(sums, SizeIs(testing::Le(7u)));
    for (const v1::ForecastErrors& sum : sums) applications.insert(sum.application());
    add(sums, &told);
  }
  EXPECT_THAT(applications, SizeIs(4)) << "each has its turn";
  for (auto sums = few.TakeErrors(); !sums.empty(); sums = few.TakeErrors()) add(sums, &told);
  ASSERT_EQ(all.size(), 4 * kDemandHorizons.size());
  ASSERT_EQ(told.size(), all.size());
  for (const auto& [key, sum] : all) {
    EXPECT_EQ(told[key].first, sum.first) << key.first << " " << key.second;
    EXPECT_NEAR(told[key].second, sum.second, 1e-9 * sum.second);
  }
}

TEST_F(DemandWatchTest, AnotherModelBeginsAnewOfWhatIsKnown) {
  Seconds(200);
  (void)Report("web");
  watch_.UseModel([] { return NewNaiveForecaster(); }, "def");
  Seconds(20);
  EXPECT_NE(Find(Report("web"), v1::RESOURCE_CPU), nullptr) << "from what was seen before, at once";
  Seconds(120);
  std::set<std::string> models;
  for (const auto& errors : watch_.TakeErrors()) models.insert(errors.model_sha256());
  EXPECT_THAT(models, testing::ElementsAre("abc", "def")) << "each is told its own";
  Seconds(120);
  for (const auto& errors : watch_.TakeErrors()) EXPECT_EQ(errors.model_sha256(), "def");
}

TEST_F(DemandWatchTest, BurstsThatComeBackAreForetold) {
  const auto minute = [this](int burst_seconds) {
    stage_["web"].cores = 2;
    Seconds(burst_seconds);
    stage_["web"].cores = 0.2;
    Seconds(60 - burst_seconds);
  };
  for (int i = 0; i < 7; ++i) minute(10);
  const v1::WorkloadReport report = Report("web");
  ASSERT_THAT(report.bursts(), SizeIs(1)) << "the next one begins in a second";
  EXPECT_EQ(report.bursts(0).resource(), v1::RESOURCE_CPU);
  EXPECT_LE(report.bursts(0).begins_in().seconds(), 2);
  EXPECT_NEAR(report.bursts(0).peak(), 2, 0.3);
  EXPECT_NEAR(static_cast<double>(report.bursts(0).period().seconds()), 60, 1);
  stage_["web"].cores = 0.2;
  Seconds(40);
  EXPECT_THAT(Report("web").bursts(), IsEmpty());
}

TEST_F(DemandWatchTest, WorkloadsThatWentAwayAreForgotten) {
  Seconds(10);
  EXPECT_EQ(watch_.workloads(), 1u);
  watch_.Tick({});
  EXPECT_EQ(watch_.workloads(), 0u);
}

}  // namespace
}  // namespace truce::agent
