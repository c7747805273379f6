#include "controller/fleet/fleet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "tests/controller/host_builder.h"

namespace truce::controller {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
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
  const auto sign = [](v1::Report& report) {
    *report.mutable_workloads(0)->mutable_signature() = MakeSignature("m1", {0, 1});
    return report.mutable_workloads(0)->mutable_signature();
  };
  const auto fill = [](int size, auto* list) {
    while (list->size() < size) list->Add();
  };
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
      {"missing_field", [](auto& r) { r.add_workloads(); }},
      {"long_string", [](auto& r) { r.mutable_workloads(0)->set_diagnosis_detail(std::string(4097, 'x')); }},
      {"long_string", [](auto& r) { r.mutable_pairs(0)->mutable_evidence()->set_summary(std::string(4097, 'x')); }},
      {"missing_field", [&](auto& r) { sign(r)->clear_model_version(); }},
      {"missing_field", [&](auto& r) { sign(r)->clear_embedding(); }},
      {"long_string", [&](auto& r) { sign(r)->set_model_version(std::string(129, 'x')); }},
      {"long_string", [&](auto& r) { sign(r)->mutable_kinds(0)->set_kind(std::string(129, 'x')); }},
      {"long_string", [&](auto& r) { sign(r)->add_resembles()->set_name(std::string(129, 'x')); }},
      {"too_many_entries", [&](auto& r) { sign(r)->mutable_embedding()->Resize(257, 0); }},
      {"too_many_entries", [&](auto& r) { fill(65, sign(r)->mutable_kinds()); }},
      {"too_many_entries", [&](auto& r) { fill(17, sign(r)->mutable_resources()); }},
      {"too_many_entries", [&](auto& r) { fill(9, sign(r)->mutable_resembles()); }},
      {"not_a_number", [&](auto& r) { sign(r)->set_embedding(1, static_cast<float>(nan)); }},
      {"not_a_number", [&](auto& r) { sign(r)->mutable_kinds(0)->set_hurts_on_own_cpus_ratio(INFINITY); }},
      {"out_of_range", [&](auto& r) { sign(r)->mutable_kinds(0)->set_suffers_on_own_cpus_ratio(-0.1); }},
      {"out_of_range", [&](auto& r) { sign(r)->mutable_resources(0)->set_suffers_ratio(-0.1); }},
      {"out_of_range", [&](auto& r) { sign(r)->set_familiarity(1.1); }},
      {"out_of_range", [&](auto& r) { sign(r)->add_resembles()->set_similarity(1.1); }},
      {"not_a_number", [&](auto& r) { r.mutable_pairs(0)->set_severity_high(nan); }},
      {"out_of_range", [](auto& r) { r.mutable_pairs(0)->set_severity_low(0.41); }},
      {"out_of_range", [](auto& r) { r.mutable_pairs(0)->set_severity_low(-0.1); }},
      {"out_of_range", [](auto& r) { r.mutable_pairs(0)->set_severity_high(0.39); }},
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

TEST(FleetTest, TakesASoundSignatureAndBoundsThatRoundingMoved) {
  Fleet fleet({});
  HostState& host = *fleet.OnHello(1, MakeHello("web-1"), At(0))->host;
  v1::Report report = MakeScene();
  v1::Signature& signature = *report.mutable_workloads(0)->mutable_signature();
  signature = MakeSignature(std::string(128, 'm'), std::vector<float>(256, -3));
  while (signature.kinds_size() < 64) *signature.add_kinds() = signature.kinds(0);
  signature.add_resembles()->set_similarity(1);
  report.mutable_pairs(0)->set_severity(0);
  report.mutable_pairs(0)->set_severity_low(-1e-7);
  report.mutable_pairs(0)->set_severity_high(-1e-7);
  const auto refusal = fleet.OnReport(host, report, At(5));
  EXPECT_FALSE(refusal.has_value()) << refusal->detail;
}

}  // namespace
}  // namespace truce::controller
