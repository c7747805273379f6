#include "controller/plan/place/places.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "controller/plan/place/advise.h"
#include "src/base/text.h"
#include "tests/controller/host_builder.h"

namespace truce::controller {
namespace {

using testing::AllOf;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr double kGibibyte = 1 << 30;

struct App {
  std::string name;
  v1::WorkloadClass workload_class = v1::WORKLOAD_CLASS_STANDARD;
  double cores = 1;
  double memory_bytes = 0;
};

// Through the last-level cache and CPUs alone; usual programs slow each other by 10 % through either.
v1::Signature Signature(double hurts, double suffers) {
  v1::Signature signature;
  signature.set_model_version("m");
  for (const v1::Resource resource : {v1::RESOURCE_CPU, v1::RESOURCE_LLC}) {
    v1::ResourceEffect& effect = *signature.add_resources();
    effect.set_resource(resource);
    effect.set_hurts_ratio(hurts);
    effect.set_suffers_ratio(suffers);
    effect.set_usual_ratio(0.1);
  }
  return signature;
}

v1::WorkloadDescription Wanted(const std::string& application, double cores,
                               v1::WorkloadClass workload_class = v1::WORKLOAD_CLASS_STANDARD) {
  v1::WorkloadDescription workload;
  workload.set_application(application);
  workload.set_cpu_cores(cores);
  workload.set_workload_class(workload_class);
  return workload;
}

class PlacesTest : public testing::Test {
 protected:
  // Hosts of 4 CPUs and 8 GiB.
  HostState& Host(const std::string& name, const std::vector<App>& apps = {}, const std::string& domain = "") {
    v1::Hello hello = MakeHello(name);
    hello.mutable_inventory()->set_fault_domain(domain);
    HostState& host = *fleet_.OnHello(next_session_++, hello, MomentOf(clock_))->host;
    Report(host, apps);
    return host;
  }
  void Report(HostState& host, const std::vector<App>& apps) {
    v1::Report report;
    for (const App& app : apps) {
      v1::WorkloadReport& workload = *AddWorkload(
          {.name = StrCat("truce/", app.name, ".service"), .workload_class = app.workload_class, .usage = app.cores},
          &report);
      workload.mutable_workload()->set_application(app.name);
      workload.mutable_readings()->set_memory_usage_bytes(app.memory_bytes);
    }
    ASSERT_FALSE(fleet_.OnReport(host, report, MomentOf(clock_)).has_value());
    places_.OnHost(host, {});
  }
  v1::PlaceRequest Request(v1::WorkloadDescription workload) const {
    v1::PlaceRequest request;
    *request.mutable_workload() = std::move(workload);
    return request;
  }
  std::string Placed(v1::WorkloadDescription workload) {
    const auto response = places_.Place(Request(std::move(workload)));
    return response.ok() ? response->chosen().host() : std::string(response.status().message());
  }
  double FreeCores(const std::string& host) { return places_.ScoreOn(host, {}).free_cpu_cores(); }

  FakeClock clock_;
  Fleet fleet_{{}};
  Places places_{{"run"}, clock_};
  uint64_t next_session_ = 1;
};

TEST_F(PlacesTest, TheRoomiestHostIsChosenAndTheNextAreNamed) {
  Host("a", {{.name = "x", .cores = 2}});
  Host("b", {{.name = "y", .cores = 1}});
  Host("c", {{.name = "z", .cores = 3.5}});
  const auto response = places_.Place(Request(Wanted("w", 1)));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->chosen().host(), "b");
  EXPECT_DOUBLE_EQ(response->chosen().score(), 100 / 1.5) << "half of its CPUs stay free";
  EXPECT_FALSE(response->chosen().has_slowdown_ratio()) << "no model said anything";
  ASSERT_THAT(response->alternatives(), SizeIs(1)) << "c has no room";
  EXPECT_EQ(response->alternatives(0).host(), "a");
  EXPECT_DOUBLE_EQ(FreeCores("b"), 2) << "it is reserved";
}

TEST_F(PlacesTest, AReservationEndsByTimeByReleaseOrWhenTheWorkloadIsThere) {
  HostState& host = Host("a");
  v1::PlaceRequest request = Request(Wanted("w", 1));
  ASSERT_TRUE(places_.Place(request).ok());
  clock_.Advance(Places::kReservation - absl::Seconds(1));
  EXPECT_DOUBLE_EQ(FreeCores("a"), 3);
  clock_.Advance(absl::Seconds(2));
  EXPECT_DOUBLE_EQ(FreeCores("a"), 4);

  request.mutable_time_to_live()->set_seconds(3600);
  v1::ReleaseRequest release;
  release.set_reservation_id(places_.Place(request)->reservation_id());
  clock_.Advance(absl::Minutes(59));
  EXPECT_DOUBLE_EQ(FreeCores("a"), 3);
  EXPECT_TRUE(places_.Release(release)->released());
  EXPECT_DOUBLE_EQ(FreeCores("a"), 4);
  EXPECT_FALSE(places_.Release(release)->released()) << "it is gone already, which is no error";
  release.set_reservation_id("of another controller");
  EXPECT_FALSE(places_.Release(release)->released());
  release.clear_reservation_id();
  EXPECT_TRUE(absl::IsInvalidArgument(places_.Release(release).status()));

  request.mutable_workload()->set_name("w.service");
  ASSERT_TRUE(places_.Place(request).ok());
  Report(host, {{.name = "other", .cores = 1}});
  EXPECT_DOUBLE_EQ(FreeCores("a"), 2) << "somebody else came";
  Report(host, {{.name = "other", .cores = 1}, {.name = "w", .cores = 0.5}});
  EXPECT_DOUBLE_EQ(FreeCores("a"), 2.5) << "it is there as truce/w.service and not counted twice";
  EXPECT_EQ(places_.reservations(), 0u);
}

TEST_F(PlacesTest, ValidateOnlyAndReserveOnAHostOfOnesOwn) {
  Host("a");
  Host("b", {{.name = "x", .cores = 3.5}});
  v1::PlaceRequest request = Request(Wanted("w", 1));
  request.set_validate_only(true);
  EXPECT_EQ(places_.Place(request)->reservation_id(), "");
  EXPECT_DOUBLE_EQ(FreeCores("a"), 4);
  v1::ReserveRequest reserve;
  *reserve.mutable_workload() = Wanted("w", 1);
  reserve.set_host("a");
  reserve.set_request_id("r");
  const auto reserved = places_.Reserve(reserve);
  ASSERT_TRUE(reserved.ok()) << reserved.status();
  EXPECT_NE(reserved->reservation_id(), "");
  EXPECT_EQ(places_.Reserve(reserve)->reservation_id(), reserved->reservation_id()) << "the same request";
  EXPECT_EQ(places_.reservations(), 1u);
  reserve.set_request_id("");
  reserve.set_host("b");
  EXPECT_THAT(places_.Reserve(reserve).status().message(), HasSubstr("host b won't do: 0.50 cores are free"));
  reserve.set_host("nowhere");
  EXPECT_TRUE(absl::IsNotFound(places_.Reserve(reserve).status()));
}

TEST_F(PlacesTest, ARepeatedRequestGetsTheSameAnswerAndAnotherOneMayNotHaveItsId) {
  Host("a");
  Host("b");
  v1::PlaceRequest request = Request(Wanted("w", 2));
  request.set_request_id("once");
  const auto first = places_.Place(request);
  const auto again = places_.Place(request);
  ASSERT_TRUE(first.ok() && again.ok());
  EXPECT_EQ(first->SerializeAsString(), again->SerializeAsString());
  EXPECT_EQ(places_.reservations(), 1u);
  request.mutable_workload()->set_cpu_cores(1);
  EXPECT_THAT(places_.Place(request).status().message(), HasSubstr("was the id of another request"));
  clock_.Advance(Answers::kMemory + absl::Seconds(1));
  EXPECT_TRUE(places_.Place(request).ok()) << "forgotten by then";
}

TEST_F(PlacesTest, WhoWouldSufferGoesWhereNobodyHurtsThoughThereIsLessRoom) {
  places_.OnSignature("loud", Signature(0.8, 0.1));
  places_.OnSignature("calm", Signature(1e-4, 1e-4));
  places_.OnSignature("tender", Signature(0.01, 0.6));
  Host("a", {{.name = "loud", .cores = 1}});
  Host("b", {{.name = "calm", .cores = 1.5}});
  EXPECT_EQ(Placed(Wanted("calm", 1)), "a") << "has more room, and neither minds";
  const auto response = places_.Place(Request(Wanted("tender", 1, v1::WORKLOAD_CLASS_CRITICAL)));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->chosen().host(), "b");
  const v1::HostScore& loud = response->alternatives(0);
  // By the cache whole, by CPUs a quarter, since a has four; the calm one that was placed there adds next to
  // nothing.
  EXPECT_THAT(loud.slowdown_ratio(), DoubleNear(1.25 * 0.6 * (0.8 + 1e-4) / 0.1, 1e-9));
  // Both are of the standard class.
  EXPECT_THAT(loud.neighbours_slowdown_ratio(), DoubleNear(0.5 * 1.25 * 0.01 * (0.1 + 1e-4) / 0.1, 1e-9));
}

TEST_F(PlacesTest, ALargerWorkloadOfAnApplicationHurtsMore) {
  Host("a", {{.name = "loud", .cores = 0.5}});
  Host("b", {{.name = "loud", .cores = 1.5}});
  places_.OnSignature("loud", Signature(0.1, 0.1));
  places_.OnSignature("tender", Signature(0.01, 0.1));
  Host("a2", {{.name = "loud", .cores = 0.5}});
  Host("b2", {{.name = "loud", .cores = 1.5}});
  // One core in the mean: half and three halves of 1.25 x 0.1 x 0.1 / 0.1.
  const v1::WorkloadDescription tender = Wanted("tender", 1, v1::WORKLOAD_CLASS_CRITICAL);
  EXPECT_NEAR(places_.ScoreOn("a2", tender).slowdown_ratio(), 0.0625, 1e-9);
  EXPECT_NEAR(places_.ScoreOn("b2", tender).slowdown_ratio(), 0.1875, 1e-9);
  v1::PredictInterferenceRequest request;
  *request.mutable_workload() = tender;
  request.add_hosts("b2");
  const auto predicted = places_.Predict(request);
  ASSERT_TRUE(predicted.ok()) << predicted.status();
  EXPECT_NEAR(predicted->hosts(0).slowdown_ratio(), 0.1875, 1e-9);
  // The same of one that comes: three cores hurt three times as much, and whose size isn't said is like the others.
  EXPECT_NEAR(places_.ScoreOn("a2", Wanted("loud", 3)).neighbours_slowdown_ratio(), 3 * 0.5 * 0.125, 1e-9);
  EXPECT_NEAR(places_.ScoreOn("a2", Wanted("loud", 0)).neighbours_slowdown_ratio(), 0.5 * 0.125, 1e-9);
}

TEST_F(PlacesTest, AWildClaimOfCpuMakesNobodyElseHarmless) {
  Host("liar", {{.name = "loud", .cores = 1e9}});
  Host("a", {{.name = "loud", .cores = 1}});
  places_.OnSignature("loud", Signature(0.1, 0.1));
  Host("b", {{.name = "loud", .cores = 1}});
  // At most the four cores that the liar has: 2.5, later 2, in the mean.
  EXPECT_GE(places_.ScoreOn("b", Wanted("tender", 1)).slowdown_ratio(), 0.125 / 2.5 - 1e-9);
}

TEST_F(PlacesTest, NoNumberThatIsReportedMakesAPriceThatIsNone) {
  HostState& liar =
      Host("liar", {{.name = "x", .cores = 1.7e308, .memory_bytes = 1e300}, {.name = "y", .cores = 1e308}});
  v1::Report report = liar.report;
  report.mutable_workloads(0)->mutable_readings()->set_disk_read_bytes_per_second(1.7e308);
  report.mutable_workloads(0)->mutable_readings()->set_disk_write_bytes_per_second(1.7e308);
  ASSERT_FALSE(fleet_.OnReport(liar, report, MomentOf(clock_)).has_value());
  places_.OnHost(liar, {});
  places_.OnSignature("calm", Signature(0, 0));
  places_.OnSignature("wild", Signature(100, 100));
  for (const char* application : {"calm", "wild", "nobody"}) {
    for (const double cores : {0.0, 1.0, 1e15}) {
      const v1::HostScore score = places_.ScoreOn("liar", Wanted(application, cores));
      EXPECT_TRUE(std::isfinite(score.price()) && std::isfinite(score.slowdown_ratio()) &&
                  std::isfinite(score.neighbours_slowdown_ratio()))
          << score.DebugString();
    }
  }
  AdviseOptions advise;
  advise.iterations = 1000;
  Host("b");
  EXPECT_TRUE(Advise(places_.Snapshot(), advise).ok());
}

TEST_F(PlacesTest, SizesAreKnownSoonAfterAControllerStarts) {
  // Signatures that were stored come before any host.
  places_.OnSignature("loud", Signature(0.1, 0.1));
  HostState& host = Host("a", {{.name = "loud", .cores = 1}});
  Host("b", {{.name = "loud", .cores = 3}});
  const v1::WorkloadDescription three = Wanted("loud", 3);
  const double before = places_.ScoreOn("a", three).neighbours_slowdown_ratio();
  clock_.Advance(absl::Minutes(1));
  Report(host, {{.name = "loud", .cores = 1}});
  EXPECT_NEAR(places_.ScoreOn("a", Wanted("loud", 2)).neighbours_slowdown_ratio(), before, 1e-9);
  EXPECT_NEAR(places_.ScoreOn("a", Wanted("loud", 1)).neighbours_slowdown_ratio(), before / 2, 1e-9);
}

TEST_F(PlacesTest, AClassCountsForMoreThanAnyPriorityAndAPriorityOrdersWithin) {
  using enum v1::WorkloadClass;
  EXPECT_GT(SlowdownWeight(WORKLOAD_CLASS_CRITICAL, -1000), SlowdownWeight(WORKLOAD_CLASS_STANDARD, 1000));
  EXPECT_GT(SlowdownWeight(WORKLOAD_CLASS_STANDARD, -1000), SlowdownWeight(WORKLOAD_CLASS_BEST_EFFORT, 1000));
  EXPECT_GT(SlowdownWeight(WORKLOAD_CLASS_STANDARD, 5), SlowdownWeight(WORKLOAD_CLASS_STANDARD, 0));
  EXPECT_DOUBLE_EQ(SlowdownWeight(WORKLOAD_CLASS_UNSPECIFIED, 0), SlowdownWeight(WORKLOAD_CLASS_STANDARD, 0));
}

TEST_F(PlacesTest, AHostInTroubleIsShunnedByWhomItWouldHurtMost) {
  HostState& troubled =
      Host("a", {{.name = "x", .workload_class = v1::WORKLOAD_CLASS_CRITICAL, .cores = 1}, {.name = "y", .cores = 1}});
  v1::Report report = troubled.report;
  AddPair("truce/x.service", "truce/y.service", 80, &report);
  ASSERT_FALSE(fleet_.OnReport(troubled, report, MomentOf(clock_)).has_value());
  places_.OnHost(troubled, {});
  const v1::HostScore critical = places_.ScoreOn("a", Wanted("w", 0, v1::WORKLOAD_CLASS_CRITICAL));
  // Half of its CPUs are in use, and a score of 100 is as bad as five full hosts.
  EXPECT_DOUBLE_EQ(critical.price(), 0.5 + 5 * 0.8);
  EXPECT_DOUBLE_EQ(critical.score(), 100 / 5.5);
  EXPECT_DOUBLE_EQ(places_.ScoreOn("a", Wanted("w", 0, v1::WORKLOAD_CLASS_STANDARD)).price(), 0.5 + 2);
  EXPECT_DOUBLE_EQ(places_.ScoreOn("a", Wanted("w", 0, v1::WORKLOAD_CLASS_BEST_EFFORT)).price(), 0.5 + 1);
}

TEST_F(PlacesTest, RulesKeepWorkloadsApartTogetherAndSpread) {
  Host("a", {{.name = "db", .cores = 0.1}}, "rack-1");
  Host("b", {{.name = "db", .cores = 0.2}, {.name = "web", .cores = 0.2}}, "rack-1");
  Host("c", {{.name = "web", .cores = 3}}, "rack-2");
  v1::WorkloadDescription workload = Wanted("db", 0.5);
  v1::PlacementRules& rules = *workload.mutable_rules();
  rules.set_most_per_host(1);
  EXPECT_EQ(Placed(workload), "c");
  rules.set_most_per_host(0);
  rules.set_most_per_fault_domain(2);
  EXPECT_EQ(Placed(workload), "c") << "rack-1 has two of them by now";
  EXPECT_THAT(Placed(workload), HasSubstr("at most 2 may be in one")) << "c is full";
  rules.set_most_per_fault_domain(3);
  EXPECT_EQ(Placed(workload), "a");
  rules.set_most_per_fault_domain(0);
  rules.add_apart_from("web");
  EXPECT_EQ(Placed(workload), "a");
  rules.clear_apart_from();
  rules.add_beside("web");
  EXPECT_EQ(Placed(workload), "b");
  rules.set_beside(0, "nobody");
  EXPECT_THAT(Placed(workload), HasSubstr("none of nobody runs there"));
  rules.add_apart_from("nobody");
  EXPECT_THAT(Placed(workload), HasSubstr("nobody is in both apart_from and beside"));
  rules.Clear();
  rules.set_most_per_host(1);
  workload.clear_application();
  EXPECT_THAT(Placed(workload), HasSubstr("workload.application is not given"));
}

TEST_F(PlacesTest, WhatIsReservedCountsForRulesToo) {
  Host("a");
  Host("b");
  v1::WorkloadDescription workload = Wanted("db", 0.1);
  workload.mutable_rules()->set_most_per_host(1);
  EXPECT_EQ(Placed(workload), "a");
  EXPECT_EQ(Placed(workload), "b");
  EXPECT_THAT(Placed(workload), HasSubstr("at most 1 may be on a host"));
}

TEST_F(PlacesTest, OneNumaNodeIsAsLargeAsTheLargestNode) {
  v1::Hello hello = MakeHello("a", 8);
  for (int i = 4; i < 8; ++i) hello.mutable_inventory()->mutable_cpus(i)->set_numa_node(1);
  HostState& host = *fleet_.OnHello(1, hello, MomentOf(clock_))->host;
  Report(host, {});
  v1::WorkloadDescription workload = Wanted("w", 5);
  EXPECT_EQ(Placed(workload), "a");
  clock_.Advance(absl::Hours(1));
  workload.mutable_rules()->set_one_numa_node(true);
  EXPECT_THAT(Placed(workload), HasSubstr("no NUMA node there is as large"));
  workload.set_cpu_cores(4);
  workload.set_memory_bytes(static_cast<uint64_t>(4.5 * kGibibyte));
  EXPECT_THAT(Placed(workload), HasSubstr("no NUMA node")) << "a node has half of 8 GiB";
  workload.set_memory_bytes(static_cast<uint64_t>(4 * kGibibyte));
  EXPECT_EQ(Placed(workload), "a");
}

TEST_F(PlacesTest, WhatIsKeptForAHostsFailureIsNotGivenAway) {
  Places careful({"run", 0.25}, clock_);
  careful.OnHost(Host("a", {{.name = "x", .cores = 1, .memory_bytes = kGibibyte}}), {});
  v1::HostScore score = careful.ScoreOn("a", Wanted("w", 2));
  EXPECT_TRUE(score.fits());
  EXPECT_DOUBLE_EQ(score.free_cpu_cores(), 2);
  EXPECT_DOUBLE_EQ(static_cast<double>(score.free_memory_bytes()), 5 * kGibibyte);
  EXPECT_FALSE(careful.ScoreOn("a", Wanted("w", 2.1)).fits());
}

TEST_F(PlacesTest, NothingIsPlacedWhereNothingIsKnown) {
  EXPECT_THAT(Placed(Wanted("w", 1)), HasSubstr("no agent has connected yet"));
  HostState& host = *fleet_.OnHello(1, MakeHello("a"), MomentOf(clock_))->host;
  places_.OnHost(host, {});
  EXPECT_THAT(Placed(Wanted("w", 1)), HasSubstr("a: its agent has not reported yet"));
  Report(host, {});
  EXPECT_EQ(Placed(Wanted("w", 1)), "a");
  fleet_.OnClosed(1, MomentOf(clock_));
  places_.OnHost(host, {});
  EXPECT_THAT(Placed(Wanted("w", 1)), HasSubstr("its agent is not connected"));
  EXPECT_FALSE(places_.ScoreOn("a", {}).connected());
}

TEST_F(PlacesTest, NonsenseIsRefusedByName) {
  Host("a");
  v1::WorkloadDescription workload = Wanted("w", std::nan(""));
  EXPECT_THAT(Placed(workload), HasSubstr("workload.cpu_cores"));
  workload.set_cpu_cores(1);
  workload.set_network_bytes_per_second(-1);
  EXPECT_THAT(Placed(workload), HasSubstr("workload.network_bytes_per_second: -1"));
  workload.set_network_bytes_per_second(std::numeric_limits<double>::infinity());
  EXPECT_THAT(Placed(workload), HasSubstr("workload.network_bytes_per_second"));
  v1::PlaceRequest request = Request(Wanted("w", 1));
  request.add_hosts("elsewhere");
  EXPECT_THAT(places_.Place(request).status().message(), HasSubstr("there is no host \"elsewhere\""));
  request.clear_hosts();
  for (const int64_t seconds : {int64_t{0}, int64_t{-5}, int64_t{3601}, std::numeric_limits<int64_t>::max()}) {
    request.mutable_time_to_live()->set_seconds(seconds);
    EXPECT_THAT(places_.Place(request).status().message(), HasSubstr("time_to_live")) << seconds;
  }
  EXPECT_EQ(places_.reservations(), 0u);
  const std::string endless(5000, 'x');
  workload = Wanted(endless, 1);
  EXPECT_THAT(Placed(workload), HasSubstr("a name of 5000 bytes"));
  workload = Wanted("w", 1);
  workload.mutable_rules()->add_apart_from(endless);
  EXPECT_THAT(Placed(workload), HasSubstr("a name of 5000 bytes"));
  workload.mutable_rules()->clear_apart_from();
  for (int i = 0; i < 100; ++i) workload.mutable_rules()->add_beside(StrCat("app-", i));
  EXPECT_THAT(Placed(workload), HasSubstr("a list of 100 applications"));
  request = Request(Wanted("w", 1));
  request.set_request_id(endless);
  EXPECT_THAT(places_.Place(request).status().message(), HasSubstr("request_id: 5000 bytes"));
}

TEST_F(PlacesTest, PlaceAndReserveDoNotAnswerForEachOther) {
  Host("a");
  v1::PlaceRequest place = Request(Wanted("w", 1));
  place.set_request_id("id");
  place.add_hosts("a");
  ASSERT_TRUE(places_.Place(place).ok());
  v1::ReserveRequest reserve;
  *reserve.mutable_workload() = place.workload();
  reserve.set_host("a");
  reserve.set_request_id("id");
  EXPECT_TRUE(absl::IsInvalidArgument(places_.Reserve(reserve).status())) << "they are the same on the wire";
}

TEST_F(PlacesTest, OneAgentsWildClaimsSpoilNobodyElsesPlaces) {
  places_.OnSignature("x", Signature(0.1, 0.1));
  places_.OnSignature("y", Signature(0.2, 0.2));
  v1::Signature wild = Signature(1e300, 1e300);
  for (auto& effect : *wild.mutable_resources()) effect.set_usual_ratio(1e300);
  places_.OnSignature("wild", wild);
  Host("a", {{.name = "x", .cores = 1}});
  const auto response = places_.Place(Request(Wanted("unknown", 1)));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_NEAR(response->chosen().slowdown_ratio(), 1.25 * 0.1, 1e-9) << "what is usual is what most say";
  EXPECT_TRUE(places_.Place(Request(Wanted("wild", 1))).ok());
}

TEST_F(PlacesTest, SoManyReservationsOnAHostAreAMistake) {
  Host("a");
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(places_.Place(Request(Wanted("w", 0))).ok());
  EXPECT_THAT(Placed(Wanted("w", 0)), HasSubstr("host a has 1000 reservations"));
}

TEST_F(PlacesTest, ADiskAndANetworkThatAreKnownBoundWhatComes) {
  HostState& host = Host("a");
  v1::NetworkInterface& network = *host.inventory.add_network_interfaces();
  network.set_speed_bits_per_second(8'000'000);
  v1::WorkloadDescription workload = Wanted("w", 1);
  workload.set_network_bytes_per_second(1.1e6);
  places_.OnHost(host, {});
  EXPECT_TRUE(places_.ScoreOn("a", workload).fits()) << "one end of a pair bounds nobody";
  network.set_physical(true);
  places_.OnHost(host, {});
  EXPECT_THAT(places_.ScoreOn("a", workload).reason(), HasSubstr("of network traffic are free"));
  workload.set_network_bytes_per_second(0.9e6);
  EXPECT_TRUE(places_.ScoreOn("a", workload).fits());

  v1::DeviceHeadroom& disk = *host.report.add_devices();
  disk.mutable_read()->set_operations_per_second(100);
  disk.set_utilisation_ratio(0.5);
  places_.OnHost(host, {});
  workload.set_disk_operations_per_second(201);
  EXPECT_THAT(places_.ScoreOn("a", workload).reason(), HasSubstr("disk operations/s are free"));
  workload.set_disk_operations_per_second(199);
  EXPECT_TRUE(places_.ScoreOn("a", workload).fits());
}

TEST_F(PlacesTest, PredictionsSayWhoDoesWhatToWhom) {
  Host("a", {{.name = "loud", .cores = 1}, {.name = "tender", .workload_class = v1::WORKLOAD_CLASS_CRITICAL}});
  Host("b", {{.name = "stranger", .cores = 1}});
  v1::PredictInterferenceRequest request;
  EXPECT_TRUE(absl::IsInvalidArgument(places_.Predict(request).status()));
  *request.mutable_workload() = Wanted("loud", 1);
  EXPECT_TRUE(absl::IsFailedPrecondition(places_.Predict(request).status())) << "no model said anything";
  places_.OnSignature("loud", Signature(0.8, 0.1));
  places_.OnSignature("tender", Signature(0.01, 0.6));
  auto response = places_.Predict(request);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_TRUE(response->known());
  ASSERT_THAT(response->hosts(), SizeIs(2));
  const v1::HostInterference& a = response->hosts(0);
  ASSERT_THAT(a.neighbours(), SizeIs(2));
  EXPECT_EQ(a.neighbours(0).application(), "tender") << "it would lose most";
  EXPECT_THAT(a.neighbours(0).suffers_ratio(), DoubleNear(1.25 * 0.6 * 0.8 / 0.1, 1e-9));
  EXPECT_THAT(a.neighbours(0).hurts_ratio(), DoubleNear(1.25 * 0.1 * 0.01 / 0.1, 1e-9));
  EXPECT_THAT(a.slowdown_ratio(), DoubleNear(1.25 * 0.1 * (0.8 + 0.01) / 0.1, 1e-9));
  EXPECT_EQ(a.resources(0).resource(), v1::RESOURCE_LLC);
  EXPECT_THAT(a.resources(0).suffers_ratio(), DoubleNear(0.1 * 0.81 / 0.1, 1e-9));
  const v1::HostInterference& b = response->hosts(1);
  EXPECT_FALSE(b.neighbours(0).known());
  EXPECT_THAT(b.neighbours(0).hurts_ratio(), DoubleNear(1.25 * 0.1, 1e-9)) << "a usual one: what it suffers from those";

  request.mutable_running()->set_host("a");
  request.mutable_running()->set_workload("truce/loud.service");
  request.add_hosts("a");
  request.set_neighbours_limit(1);
  response = places_.Predict(request);
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_THAT(response->hosts(0).neighbours(), SizeIs(1)) << "itself is no neighbour";
  EXPECT_EQ(response->hosts(0).neighbours(0).application(), "tender");
  EXPECT_EQ(response->hosts(0).left_out_count(), 0u);
  request.mutable_running()->set_workload("gone");
  EXPECT_THAT(places_.Predict(request).status().message(), AllOf(HasSubstr("\"gone\""), HasSubstr("on host a")));
}

TEST_F(PlacesTest, ASnapshotHasEverybodyAndWhatIsExpected) {
  Host("b", {{.name = "x"}});
  Host("a");
  EXPECT_EQ(Placed(Wanted("w", 1)), "a");
  places_.SetComing({{"b", {0.5}}});
  const PlacesSnapshot snapshot = places_.Snapshot();
  ASSERT_THAT(snapshot.hosts, SizeIs(2));
  EXPECT_EQ(snapshot.hosts[0].name, "a");
  ASSERT_THAT(snapshot.hosts[0].picture.residents, SizeIs(1));
  EXPECT_EQ(snapshot.hosts[0].reserved, 1u);
  EXPECT_EQ(snapshot.hosts[1].picture.residents[0].application, "x");
  EXPECT_DOUBLE_EQ(snapshot.hosts[1].coming[kPlaceCpuCores], 0.5);
  EXPECT_DOUBLE_EQ(FreeCores("b"), 2.5);
  places_.SetComing({});
  EXPECT_DOUBLE_EQ(FreeCores("b"), 3);
}

// What is found with the index is what looking at everybody finds.
TEST_F(PlacesTest, NoHostIsBetterThanTheOneThatWasChosen) {
  std::mt19937_64 random(7);
  const auto draw = [&random](double most) { return std::uniform_real_distribution<double>(0, most)(random); };
  for (int a = 0; a < 8; ++a) places_.OnSignature(StrCat("app-", a), Signature(draw(0.4), draw(0.4)));
  for (int h = 0; h < 150; ++h) {
    std::vector<App> apps;
    for (int i = static_cast<int>(random() % 5); i > 0; --i) {
      apps.push_back({.name = StrCat("app-", random() % 9),
                      .workload_class = static_cast<v1::WorkloadClass>(1 + random() % 3),
                      .cores = draw(1.2),
                      .memory_bytes = draw(2 * kGibibyte)});
    }
    std::sort(apps.begin(), apps.end(), [](const App& x, const App& y) { return x.name < y.name; });
    apps.erase(std::unique(apps.begin(), apps.end(), [](const App& x, const App& y) { return x.name == y.name; }),
               apps.end());
    Host(StrCat("host-", h), apps, StrCat("rack-", h % 7));
  }
  int placed = 0;
  for (int i = 0; i < 400; ++i) {
    v1::WorkloadDescription workload =
        Wanted(StrCat("app-", random() % 9), draw(2), static_cast<v1::WorkloadClass>(1 + random() % 3));
    workload.set_memory_bytes(static_cast<uint64_t>(draw(4 * kGibibyte)));
    if (random() % 2 == 0) workload.mutable_rules()->set_most_per_host(1 + static_cast<uint32_t>(random() % 2));
    if (random() % 4 == 0) workload.mutable_rules()->add_apart_from(StrCat("app-", random() % 9));
    v1::ScoreHostsRequest everybody;
    *everybody.mutable_workload() = workload;
    const auto scores = places_.ScoreHosts(everybody);
    ASSERT_THAT(scores->hosts(), SizeIs(150));
    const auto response = places_.Place(Request(workload));
    ASSERT_EQ(response.ok(), scores->hosts(0).fits()) << response.status();
    if (!response.ok()) continue;
    ++placed;
    EXPECT_NEAR(response->chosen().price(), scores->hosts(0).price(), 1e-9);
    EXPECT_NEAR(response->chosen().score(), scores->hosts(0).score(), 1e-9);
    everybody.set_limit(3);
    EXPECT_LE(places_.ScoreHosts(everybody)->hosts_size(), 3);
  }
  EXPECT_GT(placed, 100);
}

}  // namespace
}  // namespace truce::controller
