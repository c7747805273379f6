// What is set aside for a workload, from its forecasts and what else is known.
#include "controller/plan/place/demands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/drift/behaviour.h"
#include "tests/controller/host_builder.h"

namespace truce::controller {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

HostState Host() {
  HostState host;
  host.inventory = MakeHello("web-1", 4).inventory();
  host.summary.cpu_busy_ratio = 0.5;
  return host;
}

v1::WorkloadReport Shop(v1::Resource resource, float p50, float p95, float peak) {
  v1::WorkloadReport report;
  report.mutable_workload()->set_name("shop");
  v1::DemandForecast* forecast = report.add_forecasts();
  forecast->set_resource(resource);
  forecast->set_newest(p50);
  forecast->add_ahead_seconds(360);
  forecast->add_p50(p50);
  forecast->add_p90(p95);
  forecast->add_p95(p95);
  forecast->add_p99(p95);
  forecast->add_peak_p95(peak);
  return report;
}

TEST(DemandsTest, TheForecastsPeakAndItsHeadroom) {
  const HostState host = Host();
  const v1::WorkloadReport report = Shop(v1::RESOURCE_CPU, 1, 1.5, 2);
  EXPECT_DOUBLE_EQ(AdjustedDemandOf(host, report, report.forecasts(0), 0, nullptr).demand, 2);
  EXPECT_DOUBLE_EQ(AdjustedDemandOf(host, report, report.forecasts(0), 0.5, nullptr).demand, 2.25);
  v1::DriftStatus drift;
  drift.set_drifting(true);
  v1::PredictedIncrease* increase = drift.add_predictions();
  increase->set_demand(std::string(DemandName(0)));
  increase->set_increase_factor(0.4);
  EXPECT_DOUBLE_EQ(AdjustedDemandOf(host, report, report.forecasts(0), 0, &drift).demand, 2.2) << "half has room";
  drift.set_drifting(false);
  EXPECT_DOUBLE_EQ(AdjustedDemandOf(host, report, report.forecasts(0), 0, &drift).demand, 2);
}

TEST(DemandsTest, AQuantileCanBeSetAsideInsteadOfThePeak) {
  const HostState host = Host();
  v1::WorkloadReport report = Shop(v1::RESOURCE_CPU, 1, 1.5, 2);
  report.mutable_forecasts(0)->set_p90(0, 1.25);
  report.mutable_forecasts(0)->set_p99(0, 1.75);
  const auto demand = [&](SetAside set_aside) {
    return AdjustedDemandOf(host, report, report.forecasts(0), 0, nullptr, set_aside).demand;
  };
  EXPECT_DOUBLE_EQ(demand(SetAside::kPeak), 2);
  EXPECT_DOUBLE_EQ(demand(SetAside::kP50), 1);
  EXPECT_DOUBLE_EQ(demand(SetAside::kP90), 1.25);
  EXPECT_DOUBLE_EQ(demand(SetAside::kP95), 1.5);
  EXPECT_DOUBLE_EQ(demand(SetAside::kP99), 1.75);
}

TEST(DemandsTest, NobodyGetsMoreThanThereIs) {
  const HostState host = Host();
  v1::WorkloadReport report = Shop(v1::RESOURCE_CPU, 1, 9, 20);
  EXPECT_DOUBLE_EQ(AdjustedDemandOf(host, report, report.forecasts(0), 1, nullptr).demand, 4);
  report.mutable_readings()->set_cpu_allowed_count(2);
  EXPECT_DOUBLE_EQ(AdjustedDemandOf(host, report, report.forecasts(0), 1, nullptr).demand, 2);
  v1::WorkloadReport memory = Shop(v1::RESOURCE_MEMORY, 1e9, 2e9, 3e9);
  memory.mutable_readings()->set_memory_limit_bytes(2.5e9);
  EXPECT_DOUBLE_EQ(AdjustedDemandOf(host, memory, memory.forecasts(0), 0, nullptr).demand, 2.5e9);
}

TEST(DemandsTest, OperatorsAreToldTheParts) {
  const HostState host = Host();
  v1::WorkloadReport report = Shop(v1::RESOURCE_CPU, 1, 1.5, 2);
  report.mutable_forecasts(0)->mutable_widened_for()->set_seconds(60);
  const auto views = ViewDemands(host, report, 0.5, nullptr);
  ASSERT_THAT(views, SizeIs(1));
  EXPECT_EQ(views[0].detail(), "peak p95 of 2.00 cores + 0.25 cores by risk + 0.50 cores by surprise");
  EXPECT_DOUBLE_EQ(views[0].adjusted_demand(), 2.75);
  report.mutable_readings()->set_cpu_allowed_count(1);
  EXPECT_THAT(ViewDemands(host, report, 0.5, nullptr)[0].detail(), HasSubstr(", limited to 1.00 cores"));
  const v1::WorkloadReport memory = Shop(v1::RESOURCE_MEMORY, 8 << 20, 8 << 20, 9 << 20);
  EXPECT_EQ(ViewDemands(host, memory, 0, nullptr)[0].detail(), "peak p95 of 9.0M") << "as trucectl says bytes";
}

}  // namespace
}  // namespace truce::controller
