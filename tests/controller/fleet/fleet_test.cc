#include "controller/fleet/fleet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "models/signature_limits.h"
#include "tests/controller/host_builder.h"

namespace truce::controller {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

Moment At(int seconds) {
  return {absl::FromUnixSeconds(1'700'000'000 + seconds), absl::Seconds(1000 + seconds)};
}

TEST(FleetTest, KnowsAHostByItsHelloAndSumsUpItsReports) {
  Fleet fleet({});
  const auto accepted = fleet.OnHello(1, MakeHello("web-1"), At(0));
  ASSERT_TRUE(accepted.ok());
  EXPECT_EQ(accepted->away, absl::InfiniteDuration());
  HostState& host = *accepted->host;
  EXPECT_FALSE(fleet.OnReport(host, MakeScene(90), At(5)).has_value());
  EXPECT_EQ(host.summary.worst_score, 90);
  EXPECT_DOUBLE_EQ(host.summary.cpu_p95_cores, 2.8);
  EXPECT_EQ(host.summary.worst_score_from_rank[3], 90) << "the victim is critical";
  EXPECT_EQ(host.Find("truce/stress")->readings().cpu_usage_cores(), 2);
  EXPECT_EQ(host.FindPair("truce/redis", "truce/stress")->score(), 90);
  EXPECT_EQ(host.FindPair("truce/stress", "truce/redis"), nullptr);
}

// Who doesn't say how old its readings are may have the oldest that there are.
TEST(FleetTest, KnowsHowOldReadingsMayBe) {
  Fleet fleet({});
  v1::Hello hello = MakeHello("web-1");
  const auto known = [&](uint64_t session) { return fleet.OnHello(session, hello, At(0))->host->slow_interval; };
  hello.mutable_slow_interval()->set_seconds(7);
  EXPECT_EQ(known(1), absl::Seconds(7));
  hello.mutable_slow_interval()->set_seconds(1'000'000);
  EXPECT_EQ(known(2), absl::Minutes(10));
  hello.mutable_slow_interval()->set_seconds(-5);
  EXPECT_EQ(known(3), absl::ZeroDuration());
  hello.clear_slow_interval();
  EXPECT_EQ(known(4), absl::Minutes(10));
}

TEST(FleetTest, RefusesAnotherProtocolVersionWithBothNumbers) {
  Fleet fleet({});
  v1::Hello hello = MakeHello("web-1");
  hello.set_protocol_version(7);
  const auto refused = fleet.OnHello(1, hello, At(0));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("version 7, this controller speaks version 1"));
  EXPECT_EQ(fleet.refused().at("protocol_version"), 1u);
  EXPECT_THAT(fleet.hosts(), IsEmpty());
}

TEST(FleetTest, AHostsNameCanGoIntoScripts) {
  Fleet fleet({});
  for (const char* name : {"-oProxyCommand=x", "a b", "web/1", "$(x)",
                           "w\xc3\xa9"
                           "b",
                           ".."}) {
    EXPECT_TRUE(absl::IsInvalidArgument(fleet.OnHello(1, MakeHello(name), At(0)).status())) << name;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(fleet.OnHello(1, MakeHello(std::string(254, 'a')), At(0)).status()));
  for (const char* name : {"web-1.example_net", "fe80::1", "7"}) {
    EXPECT_TRUE(fleet.OnHello(1, MakeHello(name), At(0)).ok()) << name;
  }
}

TEST(FleetTest, ANewerConnectionTakesThePlaceOfTheOlder) {
  Fleet fleet({});
  ASSERT_TRUE(fleet.OnHello(1, MakeHello("web-1"), At(0)).ok());
  const auto newer = fleet.OnHello(2, MakeHello("web-1"), At(3));
  ASSERT_TRUE(newer.ok());
  EXPECT_EQ(newer->replaced_session, 1u);
  EXPECT_EQ(fleet.OnClosed(1, At(4)), nullptr) << "the older one's end means nothing any more";
  EXPECT_TRUE(newer->host->connected);
  EXPECT_EQ(fleet.OnClosed(2, At(5)), newer->host);
  EXPECT_FALSE(newer->host->connected);
  EXPECT_EQ(fleet.OnHello(3, MakeHello("web-1"), At(25))->away, absl::Seconds(20));
}

TEST(FleetTest, AHostWithoutAReportForThreeIntervalsIsNotConnected) {
  Fleet fleet({});
  HostState& host = *fleet.OnHello(1, MakeHello("web-1"), At(0))->host;
  fleet.OnReport(host, MakeScene(0), At(5));
  EXPECT_THAT(fleet.DropSilent(At(20)), IsEmpty());
  ASSERT_THAT(fleet.DropSilent(At(21)), SizeIs(1));
  EXPECT_FALSE(host.connected);
  EXPECT_THAT(fleet.DropSilent(At(22)), IsEmpty());
}

TEST(FleetTest, AHostThatReportsMoreSeldomIsGivenThreeOfItsOwnIntervals) {
  Fleet fleet({});
  v1::Hello hello = MakeHello("web-1");
  hello.mutable_report_interval()->set_seconds(10);
  HostState& host = *fleet.OnHello(1, hello, At(0))->host;
  fleet.OnReport(host, MakeScene(0), At(10));
  EXPECT_THAT(fleet.DropSilent(At(40)), IsEmpty());
  ASSERT_THAT(fleet.DropSilent(At(41)), SizeIs(1));
  // The next agent of this host does not say how often it reports.
  ASSERT_TRUE(fleet.OnHello(2, MakeHello("web-1"), At(50)).ok());
  EXPECT_THAT(fleet.DropSilent(At(66)), SizeIs(1));
}

TEST(FleetTest, ANonsensicalReportIntervalNeitherKeepsADeadHostNorDropsALivingOne) {
  struct Case {
    const char* what;
    int64_t seconds;
    int32_t nanos;
    int silence;  // the longest, in seconds, after which the host still counts as connected
  };
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  for (const Case& one : {Case{"negative", -10, 0, 15},
                          {"as negative as can be", -kMost, -2'000'000'000, 15},
                          {"shorter than is usual", 0, 200'000'000, 15},
                          {"years", int64_t{3600} * 24 * 365 * 10, 0, 180},
                          {"as long as can be", kMost, 2'000'000'000, 180}}) {
    SCOPED_TRACE(one.what);
    Fleet fleet({});
    v1::Hello hello = MakeHello("web-1");
    hello.mutable_report_interval()->set_seconds(one.seconds);
    hello.mutable_report_interval()->set_nanos(one.nanos);
    ASSERT_TRUE(fleet.OnHello(1, hello, At(0)).ok());
    EXPECT_THAT(fleet.DropSilent(At(one.silence)), IsEmpty());
    EXPECT_THAT(fleet.DropSilent(At(one.silence + 1)), SizeIs(1));
  }
}

TEST(FleetTest, NonsenseIsRefusedCountedAndLeavesTheStateAlone) {
  struct Case {
    const char* reason;
    std::function<void(v1::Report&)> spoil;
  };
  const double nan = std::nan("");
  const Case cases[] = {
      {"not_a_number", [&](auto& r) { r.mutable_pairs(0)->set_score(nan); }},
      {"not_a_number", [&](auto& r) { r.mutable_workloads(0)->mutable_readings()->set_psi_cpu_some_ratio(nan); }},
      {"not_a_number", [&](auto& r) { r.mutable_cost()->set_cpu_cores(INFINITY); }},
      {"out_of_range", [](auto& r) { r.mutable_pairs(0)->set_score(100.1); }},
      {"out_of_range", [](auto& r) { r.mutable_pairs(0)->set_score(-1); }},
      {"out_of_range", [](auto& r) { r.mutable_pairs(0)->set_confidence(2); }},
      {"out_of_range", [](auto& r) { r.mutable_workloads(0)->mutable_readings()->set_cpu_usage_cores(-1); }},
      {"unknown_workload", [](auto& r) { r.mutable_pairs(0)->set_victim("nobody"); }},
      {"unknown_workload", [](auto& r) { r.mutable_pairs(0)->set_aggressor(r.pairs(0).victim()); }},
      {"duplicate_workload", [](auto& r) { *r.add_workloads() = r.workloads(0); }},
      {"duplicate_pair", [](auto& r) { *r.add_pairs() = r.pairs(0); }},
      {"missing_field", [](auto& r) { r.add_workloads(); }},
      {"long_string", [](auto& r) { r.mutable_workloads(0)->set_diagnosis_detail(std::string(4097, 'x')); }},
      {"long_string", [](auto& r) { r.mutable_pairs(0)->mutable_evidence()->set_summary(std::string(4097, 'x')); }},
      {"too_many_workloads",
       [](auto& r) {
         for (int i = 0; i < 10; ++i) AddWorkload({std::to_string(i)}, &r);
       }},
  };
  FleetOptions options;
  options.limits.workloads_per_host = 5;
  for (const Case& one : cases) {
    Fleet fleet(options);
    HostState& host = *fleet.OnHello(1, MakeHello("web-1"), At(0))->host;
    ASSERT_FALSE(fleet.OnReport(host, MakeScene(50), At(5)).has_value());
    v1::Report report = MakeScene(90);
    one.spoil(report);
    const auto refusal = fleet.OnReport(host, report, At(10));
    ASSERT_TRUE(refusal.has_value()) << one.reason;
    EXPECT_EQ(refusal->reason, one.reason) << refusal->detail;
    EXPECT_EQ(fleet.refused().at(one.reason), 1u);
    EXPECT_EQ(host.summary.worst_score, 50) << "the last sound report stays";
    EXPECT_TRUE(host.connected);
    EXPECT_FALSE(fleet.OnReport(host, MakeScene(60), At(15)).has_value()) << "the session survives";
  }
}

TEST(FleetTest, AnUnsoundSignatureIsLeftOutAndTheRestOfItsReportTaken) {
  struct Case {
    const char* detail;
    std::function<void(v1::Signature&)> spoil;
  };
  const auto fill = [](int size, auto* list) {
    while (list->size() < size) list->Add();
  };
  const std::string long_name(129, 'x');
  const Case cases[] = {
      {"model_version is empty", [](auto& s) { s.clear_model_version(); }},
      {"embedding is empty", [](auto& s) { s.clear_embedding(); }},
      {"model_version has 129 bytes", [&](auto& s) { s.set_model_version(std::string(kMostModelName + 1, 'x')); }},
      {"kinds.kind has 129 bytes", [&](auto& s) { s.mutable_kinds(0)->set_kind(long_name); }},
      {"resembles.name has 129 bytes", [&](auto& s) { s.add_resembles()->set_name(long_name); }},
      {"257 values in embedding", [](auto& s) { s.mutable_embedding()->Resize(kMostEmbedding + 1, 0); }},
      {"65 kinds", [&](auto& s) { fill(kMostKinds + 1, s.mutable_kinds()); }},
      {"17 resources", [&](auto& s) { fill(17, s.mutable_resources()); }},
      {"9 resembles", [&](auto& s) { fill(9, s.mutable_resembles()); }},
      {"embedding is nan", [](auto& s) { s.set_embedding(1, std::nanf("")); }},
      {"hurts_on_own_cpus_ratio is inf", [](auto& s) { s.mutable_kinds(0)->set_hurts_on_own_cpus_ratio(INFINITY); }},
      {"slowdown -0.1", [](auto& s) { s.mutable_kinds(0)->set_suffers_on_own_cpus_ratio(-0.1); }},
      {"slowdown -0.1", [](auto& s) { s.mutable_resources(0)->set_suffers_ratio(-0.1); }},
      {"slowdown 101", [](auto& s) { s.mutable_resources(0)->set_hurts_ratio(101); }},
      {"slowdown 1e+300", [](auto& s) { s.mutable_resources(0)->set_usual_ratio(1e300); }},
      {"familiarity 1.1", [](auto& s) { s.set_familiarity(1.1); }},
      {"similarity 1.1", [](auto& s) { s.add_resembles()->set_similarity(1.1); }},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.detail);
    Fleet fleet({});
    HostState& host = *fleet.OnHello(1, MakeHello("web-1"), At(0))->host;
    v1::Report report = MakeScene(90);
    for (auto& workload : *report.mutable_workloads()) *workload.mutable_signature() = MakeSignature("m1", {0, 1});
    one.spoil(*report.mutable_workloads(0)->mutable_signature());
    const auto refusal = fleet.OnReport(host, report, At(5));
    ASSERT_FALSE(refusal.has_value()) << refusal->detail;
    EXPECT_FALSE(host.report.workloads(0).has_signature());
    EXPECT_TRUE(host.report.workloads(1).has_signature()) << "its neighbour's is sound";
    EXPECT_EQ(host.report.workloads(0).readings().cpu_usage_cores(), 0.8);
    EXPECT_EQ(host.summary.worst_score, 90);
    ASSERT_TRUE(host.left_out.has_value());
    EXPECT_EQ(host.left_out->reason, "bad_signature");
    EXPECT_THAT(host.left_out->detail, AllOf(HasSubstr("workload \"truce/redis\""), HasSubstr(one.detail)));
    EXPECT_THAT(fleet.refused(), ElementsAre(Pair("bad_signature", 1u)));
    EXPECT_FALSE(fleet.OnReport(host, MakeScene(90), At(10)).has_value());
    EXPECT_FALSE(host.left_out.has_value()) << "that report had nothing unsound";
  }
}

TEST(FleetTest, BoundsThatDoNotEncloseTheSeverityAreLeftOutAndTheScoreTaken) {
  struct Case {
    double low;
    double high;
  };
  for (const Case& one : {Case{0.41, 0.8}, Case{-0.1, 0.8}, Case{0.1, 0.39}, Case{0.1, std::nan("")},
                          Case{std::nan(""), 0.8}, Case{0.1, INFINITY}}) {
    SCOPED_TRACE(testing::Message() << one.low << " to " << one.high);
    Fleet fleet({});
    HostState& host = *fleet.OnHello(1, MakeHello("web-1"), At(0))->host;
    v1::Report report = MakeScene(90);
    AddPair("truce/stress", "truce/redis", 20, &report)->set_severity_low(0.3);
    report.mutable_pairs(0)->set_severity_low(one.low);
    report.mutable_pairs(0)->set_severity_high(one.high);
    const auto refusal = fleet.OnReport(host, report, At(5));
    ASSERT_FALSE(refusal.has_value()) << refusal->detail;
    const v1::PairScore& pair = host.report.pairs(0);
    EXPECT_FALSE(pair.has_severity_low());
    EXPECT_FALSE(pair.has_severity_high());
    EXPECT_EQ(pair.severity(), 0.4);
    EXPECT_EQ(pair.score(), 90);
    EXPECT_TRUE(host.report.pairs(1).has_severity_low()) << "the other pair's are sound";
    ASSERT_TRUE(host.left_out.has_value());
    EXPECT_THAT(host.left_out->detail, HasSubstr("pair truce/redis <- truce/stress: severity 0.4 with bounds"));
    EXPECT_THAT(fleet.refused(), ElementsAre(Pair("bad_bounds", 1u)));
  }
}

v1::MigrationStatus SoundMigration() {
  v1::MigrationStatus status;
  status.set_migration_id("run-m1");
  status.set_role(v1::MIGRATION_ROLE_TARGET);
  status.set_step(v1::MIGRATION_STEP_VERIFY);
  status.set_progress(v1::MIGRATION_PROGRESS_DONE);
  status.set_presence(v1::MIGRATION_PRESENCE_RUNNING);
  return status;
}

TEST(FleetTest, AMigrationThatIsNotUnderstoodIsLeftOutAndTheRestTaken) {
  const std::vector<std::pair<std::function<void(v1::MigrationStatus*)>, std::string>> cases = {
      {[](auto* status) { status->clear_migration_id(); }, "it names no migration"},
      {[](auto* status) { status->clear_role(); }, "role 0 is neither source nor target"},
      {[](auto* status) { status->set_role(static_cast<v1::MigrationRole>(3)); }, "role 3"},
      {[](auto* status) { status->set_step(static_cast<v1::MigrationStep>(9)); }, "step 9"},
      {[](auto* status) { status->set_progress(static_cast<v1::MigrationProgress>(9)); }, "progress 9"},
      {[](auto* status) { status->set_presence(static_cast<v1::MigrationPresence>(9)); }, "presence 9"},
      {[](auto* status) { status->set_migration_id(std::string(129, 'x')); }, "migration_id has 129 bytes"},
      {[](auto* status) { status->set_driver(std::string(65, 'x')); }, "driver has 65 bytes"},
      {[](auto* status) { status->set_endpoint(std::string(1025, 'x')); }, "endpoint has 1025 bytes"},
      {[](auto* status) { status->set_reason(std::string(2049, 'x')); }, "reason has 2049 bytes"},
      {[](auto* status) { status->set_workload(std::string(2049, 'x')); }, "workload has 2049 bytes"},
  };
  for (const auto& [spoil, detail] : cases) {
    SCOPED_TRACE(detail);
    Fleet fleet({});
    v1::Hello hello = MakeHello("web-1");
    v1::Report report = MakeScene(90);
    for (auto* migrations : {hello.mutable_migrations(), report.mutable_migrations()}) {
      *migrations->Add() = SoundMigration();
      spoil(migrations->Mutable(0));
      *migrations->Add() = SoundMigration();
    }
    HostState& host = *fleet.OnHello(1, hello, At(0))->host;
    EXPECT_EQ(host.migrations.size(), 1);
    const auto refusal = fleet.OnReport(host, report, At(5));
    ASSERT_FALSE(refusal.has_value()) << refusal->detail;
    ASSERT_EQ(host.migrations.size(), 1);
    EXPECT_EQ(host.migrations.Get(0).migration_id(), "run-m1");
    ASSERT_TRUE(host.left_out.has_value());
    EXPECT_THAT(host.left_out->detail, HasSubstr(detail));
    EXPECT_THAT(fleet.refused(), ElementsAre(Pair("bad_migration", 2u))) << "of the hello and of the report";
  }
}

TEST(FleetTest, OfTooManyMigrationsTheFirstAreTaken) {
  Fleet fleet({});
  HostState& host = *fleet.OnHello(1, MakeHello("web-1"), At(0))->host;
  v1::Report report = MakeScene(90);
  for (int i = 0; i < kMostMigrations + 3; ++i) *report.add_migrations() = SoundMigration();
  ASSERT_FALSE(fleet.OnReport(host, report, At(5)).has_value());
  EXPECT_EQ(host.migrations.size(), kMostMigrations);
  EXPECT_THAT(host.left_out->detail, HasSubstr("67 migrations; at most 64"));
  EXPECT_THAT(fleet.refused(), ElementsAre(Pair("bad_migration", 3u)));
}

TEST(FleetTest, WhatIsLeftOutOfARefusedReportIsNotCounted) {
  Fleet fleet({});
  HostState& host = *fleet.OnHello(1, MakeHello("web-1"), At(0))->host;
  v1::Report report = MakeScene(101);
  *report.mutable_workloads(0)->mutable_signature() = MakeSignature("", {0});
  EXPECT_TRUE(fleet.OnReport(host, report, At(5)).has_value());
  EXPECT_THAT(fleet.refused(), ElementsAre(Pair("out_of_range", 1u)));
  EXPECT_FALSE(host.left_out.has_value());
}

TEST(FleetTest, TakesASoundSignatureAndBoundsThatRoundingMoved) {
  Fleet fleet({});
  HostState& host = *fleet.OnHello(1, MakeHello("web-1"), At(0))->host;
  v1::Report report = MakeScene();
  v1::Signature& signature = *report.mutable_workloads(0)->mutable_signature();
  signature = MakeSignature(std::string(kMostModelName, 'm'), std::vector<float>(kMostEmbedding, -3));
  while (signature.kinds_size() < kMostKinds) *signature.add_kinds() = signature.kinds(0);
  signature.add_resembles()->set_similarity(1);
  report.mutable_pairs(0)->set_severity(0);
  report.mutable_pairs(0)->set_severity_low(-1e-7);
  report.mutable_pairs(0)->set_severity_high(-1e-7);
  const auto refusal = fleet.OnReport(host, report, At(5));
  ASSERT_FALSE(refusal.has_value()) << refusal->detail;
  EXPECT_FALSE(host.left_out.has_value()) << host.left_out->detail;
  EXPECT_TRUE(host.report.workloads(0).has_signature());
  EXPECT_TRUE(host.report.pairs(0).has_severity_low());
}

TEST(FleetTest, ErrorsOfForecastsThatCanBeNoneAreLeftOutAndTheRestIsTaken) {
  const auto good = [] {
    v1::ForecastErrors errors;
    errors.set_model_sha256(std::string(64, 'a'));
    errors.set_application("cache");
    errors.set_resource(v1::RESOURCE_CPU);
    errors.mutable_ahead()->set_seconds(30);
    errors.set_count(10);
    errors.set_loss_sum(8);
    errors.set_naive_loss_sum(10);
    errors.set_squared_gain_sum(1);
    errors.set_above_p95_count(1);
    return errors;
  };
  const std::vector<std::function<void(v1::ForecastErrors*)>> spoils = {
      [](auto* errors) { errors->set_model_sha256("short"); },
      [](auto* errors) { errors->set_application(std::string(5000, 'x')); },
      [](auto* errors) { errors->set_resource(v1::RESOURCE_UNSPECIFIED); },
      [](auto* errors) { errors->mutable_ahead()->set_seconds(-1); },
      [](auto* errors) { errors->mutable_ahead()->set_seconds(INT64_MAX); },
      [](auto* errors) { errors->set_count(0); },
      [](auto* errors) { errors->set_count(UINT64_MAX); },
      [](auto* errors) { errors->set_above_p95_count(11); },
      [](auto* errors) { errors->set_loss_sum(-1); },
      [](auto* errors) { errors->set_loss_sum(std::nan("")); },
      [](auto* errors) { errors->set_naive_loss_sum(INFINITY); },
      [](auto* errors) { errors->set_squared_gain_sum(1e300); },
      // Ten forecasts that won 2 in all can't have squares that add up to less than 0.4.
      [](auto* errors) { errors->set_squared_gain_sum(0.1); },
  };
  Fleet fleet({});
  ASSERT_TRUE(fleet.OnHello(1, MakeHello("web-1"), {}).ok());
  HostState& host = *fleet.Find("web-1");
  v1::Report report = MakeScene();
  for (const auto& spoil : spoils) {
    spoil(report.add_forecast_errors());
    v1::ForecastErrors errors = good();
    spoil(&errors);
    *report.add_forecast_errors() = errors;
    *report.add_forecast_errors() = good();
  }
  ASSERT_FALSE(fleet.OnReport(host, report, {}).has_value());
  EXPECT_EQ(host.report.forecast_errors_size(), static_cast<int>(spoils.size()));
  for (const auto& errors : host.report.forecast_errors()) {
    EXPECT_EQ(errors.SerializeAsString(), good().SerializeAsString());
  }
  EXPECT_EQ(fleet.refused().at("bad_errors"), 2 * spoils.size());
  ASSERT_TRUE(host.left_out.has_value());
}

}  // namespace
}  // namespace truce::controller
