// Forecasts in reports: kept between the reports that bring them, and left out where they make no sense.
#include "controller/fleet/forecasts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "controller/fleet/fleet.h"
#include "controller/fleet/moment.h"
#include "tests/controller/host_builder.h"

namespace truce::controller {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const Moment kNow{absl::FromUnixSeconds(1'700'000'000), absl::Seconds(1000)};

const absl::Time kAgentNow = kNow.wall - absl::Hours(24);

v1::DemandForecast Sound() {
  v1::DemandForecast forecast;
  forecast.set_resource(v1::RESOURCE_CPU);
  SetTime(kAgentNow, forecast.mutable_made_at());
  forecast.set_newest(1);
  for (const float ahead : {30.0F, 60.0F}) {
    forecast.add_ahead_seconds(ahead);
    forecast.add_p50(1);
    forecast.add_p90(2);
    forecast.add_p95(2.5F);
    forecast.add_p99(3);
    forecast.add_peak_p95(3);
  }
  return forecast;
}

v1::Report ReportWith(const std::vector<v1::DemandForecast>& forecasts) {
  v1::Report report;
  AddWorkload({"shop"}, &report);
  for (const auto& forecast : forecasts) *report.mutable_workloads(0)->add_forecasts() = forecast;
  return report;
}

class ForecastsTest : public testing::Test {
 protected:
  ForecastsTest() : fleet_({}) { host_ = fleet_.OnHello(1, MakeHello("web-1"), kNow)->host; }
  void Report(v1::Report report, absl::Duration after) {
    // Its host's clock is a day behind.
    SetTime(kAgentNow + after, report.mutable_sampled_at());
    const auto refusal = fleet_.OnReport(*host_, report, {kNow.wall + after, kNow.monotonic + after});
    ASSERT_FALSE(refusal.has_value()) << refusal->detail;
  }
  const v1::WorkloadReport& shop() { return *host_->Find("shop"); }

  Fleet fleet_;
  HostState* host_ = nullptr;
};

TEST_F(ForecastsTest, AreKeptUntilNewOnesComeOrTheyAreOld) {
  Report(ReportWith({Sound()}), absl::Seconds(5));
  Report(ReportWith({}), absl::Seconds(10));
  ASSERT_THAT(shop().forecasts(), SizeIs(1));
  EXPECT_NE(ForecastOf(shop(), v1::RESOURCE_CPU), nullptr);
  EXPECT_EQ(ForecastOf(shop(), v1::RESOURCE_DISK), nullptr);
  v1::DemandForecast newer = Sound();
  newer.set_newest(2);
  Report(ReportWith({newer}), absl::Seconds(15));
  Report(ReportWith({}), absl::Seconds(20));
  EXPECT_EQ(shop().forecasts(0).newest(), 2);
  Report(ReportWith({}), kForecastLife + absl::Seconds(1));
  EXPECT_THAT(shop().forecasts(), IsEmpty());
}

TEST_F(ForecastsTest, OfAWorkloadThatWasMadeAnewAreNotItsOwn) {
  Report(ReportWith({Sound()}), absl::Seconds(5));
  v1::Report anew = ReportWith({});
  anew.mutable_workloads(0)->mutable_workload()->set_instance(99);
  Report(anew, absl::Seconds(10));
  EXPECT_THAT(shop().forecasts(), IsEmpty());
}

TEST_F(ForecastsTest, ThoseThatMakeNoSenseAreLeftOutAndTheReportIsTaken) {
  const std::vector<std::function<void(v1::DemandForecast*)>> spoilers = {
      [](auto* forecast) { forecast->clear_ahead_seconds(); },
      [](auto* forecast) { forecast->add_p50(1); },
      [](auto* forecast) { forecast->set_p50(0, 2.2F); },
      [](auto* forecast) { forecast->set_p99(1, std::nanf("")); },
      [](auto* forecast) { forecast->set_p50(1, -1); },
      [](auto* forecast) { forecast->set_ahead_seconds(1, 30); },
      [](auto* forecast) { forecast->set_anomaly_score_ratio(2); },
      [](auto* forecast) { forecast->set_newest(INFINITY); },
      [](auto* forecast) {
        for (int i = 0; i < 100; ++i) forecast->add_ahead_seconds(static_cast<float>(100 + i));
      },
  };
  for (size_t i = 0; i < spoilers.size(); ++i) {
    v1::DemandForecast forecast = Sound();
    spoilers[i](&forecast);
    Report(ReportWith({forecast}), kForecastLife * 2 * static_cast<int64_t>(i + 1));
    EXPECT_THAT(shop().forecasts(), IsEmpty()) << i;
    ASSERT_TRUE(host_->left_out.has_value()) << i;
    EXPECT_EQ(host_->left_out->reason, "bad_forecast");
    EXPECT_THAT(host_->left_out->detail, HasSubstr("forecasts of workload \"shop\": "));
  }
  Report(ReportWith(std::vector<v1::DemandForecast>(9, Sound())), absl::Hours(30));
  EXPECT_EQ(host_->left_out->reason, "bad_forecast");
}

}  // namespace
}  // namespace truce::controller
