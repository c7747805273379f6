// A real controller places in the simulated fleet: in-process and through gRPC alike.
#include "lab/fleet/control/controlled.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "lab/fleet/control/in_process.h"
#include "lab/fleet/control/through_grpc.h"

namespace truce::lab::fleet {
namespace {

constexpr int32_t kLoud = 1;
constexpr int32_t kTouchy = 2;

Request Asks(int64_t workload, int32_t application, WorkloadClass workload_class) {
  return {
      .workload = workload, .application = application, .workload_class = workload_class, .cpus = 4, .memory_gib = 10};
}
Request Loud(int64_t workload) {
  return Asks(workload, kLoud, WorkloadClass::kBestEffort);
}
Request Touchy(int64_t workload) {
  return Asks(workload, kTouchy, WorkloadClass::kCritical);
}

Signature Says(double hurts, double suffers) {
  Signature signature;
  signature.hurts.fill(hurts);
  signature.suffers.fill(suffers);
  signature.usual.fill(0.05);
  return signature;
}

WorkloadReport Reads(const Request& request) {
  return {.workload = request.workload,
          .cpu_cores = 3,
          .cpu_p95_cores = 3,
          .memory_gib = request.memory_gib,
          .signature = request.application == kLoud ? Says(0.5, 0.01) : Says(0.01, 0.5)};
}

// The argument: through gRPC?
class ControlledTest : public testing::TestWithParam<bool> {
 protected:
  void Start(ControlledOptions options = {}, size_t hosts = 2) {
    auto link = GetParam() ? LinkThroughGrpc({.advice_time = absl::Milliseconds(200)}) : LinkInProcess({});
    ASSERT_TRUE(link.ok()) << link.status();
    placer_ = std::make_unique<Controlled>(std::move(options), *std::move(link));
    std::vector<HostFacts> facts;
    for (size_t host = 0; host < hosts; ++host) facts.push_back({10, 100, static_cast<int32_t>(host)});
    placer_->OnHosts(facts);
    on_.resize(hosts);
  }
  void Put(const Request& request, size_t host) {
    placer_->OnArrival(request, host);
    on_[host].push_back(request);
  }
  void ReportAll() {
    for (size_t host = 0; host < on_.size(); ++host) {
      HostReport report{.host = host};
      for (const Request& request : on_[host]) report.workloads.push_back(Reads(request));
      placer_->OnReport(report);
    }
  }
  std::optional<size_t> Where(const Request& request) {
    const auto host = placer_->Place(request);
    EXPECT_TRUE(host.ok()) << host.status();
    return host.ok() ? *host : std::nullopt;
  }

  std::unique_ptr<Controlled> placer_;
  std::vector<std::vector<Request>> on_;
};
INSTANTIATE_TEST_SUITE_P(All, ControlledTest, testing::Bool(),
                         [](const auto& one) { return one.param ? "ThroughGrpc" : "InProcess"; });

TEST_P(ControlledTest, WhatHurtsGoesToWhatHurtsAndWhatSuffersStaysAway) {
  Start();
  Put(Loud(1), 0);
  Put(Touchy(2), 1);
  ReportAll();
  EXPECT_EQ(Where(Loud(3)), 0U);
  EXPECT_EQ(Where(Touchy(4)), 1U);
}

TEST_P(ControlledTest, WithoutSignaturesRoomAloneCounts) {
  Start({.signatures = ControlledOptions::Signatures::kNone});
  Put(Loud(1), 0);
  Put(Loud(2), 0);
  Put(Touchy(3), 1);
  ReportAll();
  EXPECT_EQ(Where(Loud(4)), 1U);
}

TEST_P(ControlledTest, WhatIsPlacedCountsAtOnceAndWhatEndsNoMore) {
  Start();
  Put(Touchy(1), 0);
  ReportAll();
  // 3 of its 4 CPUs are what the scheduler asks for, by what the first used.
  std::vector<size_t> placed;
  for (int64_t workload = 2; workload < 7; ++workload) {
    const auto host = Where(Touchy(workload));
    ASSERT_TRUE(host.has_value());
    placed.push_back(*host);
    Put(Touchy(workload), *host);
  }
  EXPECT_THAT(placed, testing::UnorderedElementsAre(0U, 0U, 1U, 1U, 1U));
  placer_->OnDeparture(1);
  EXPECT_EQ(Where(Touchy(9)), 0U) << "without a report of its agent's own";
}

TEST_P(ControlledTest, ARuleOfTheFleetThatTheControllerDoesNotKnowHolds) {
  Start({}, 3);
  Request one = Touchy(1);
  one.group = 7;
  Put(one, 0);
  Put(Loud(2), 1);
  Put(Loud(3), 1);
  Put(Loud(4), 2);
  ReportAll();
  Request two = one;
  two.workload = 5;
  EXPECT_EQ(Where(Touchy(6)), 0U) << "where nobody is loud";
  EXPECT_EQ(Where(two), 2U) << "and one of a group to the next best";
  // Three of them ask for all that may be asked for.
  Start({.overcommit = 0.3});
  EXPECT_EQ(Where(Touchy(1)), std::nullopt);
}

TEST_P(ControlledTest, RebalancingSeparatesWhoSuffersFromWhoHurtsWithinTheBudget) {
  Start({}, 3);
  Put(Loud(1), 0);
  Put(Touchy(2), 0);
  ReportAll();
  const auto none = placer_->Rebalance({.most_moves = 0});
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_TRUE(none->empty());
  const auto moves = placer_->Rebalance({.most_moves = 1});
  ASSERT_TRUE(moves.ok()) << moves.status();
  ASSERT_EQ(moves->size(), 1U);
  EXPECT_EQ((*moves)[0].workload, 1) << "a critical one is never moved";
  EXPECT_EQ((*moves)[0].from, 0U);
  placer_->OnMoved((*moves)[0]);
  const auto more = placer_->Rebalance({.most_moves = 1});
  ASSERT_TRUE(more.ok()) << more.status();
  EXPECT_TRUE(more->empty()) << "they are apart";
}

TEST_P(ControlledTest, WhereAllAreTakenForTheAverageOneClassesAreLeft) {
  Start({.signatures = ControlledOptions::Signatures::kAverage, .rebalances = false});
  Put(Loud(1), 0);
  Put(Touchy(2), 1);
  ReportAll();
  // Both hurt and suffer alike, so a newcomer is best where the class counts for least.
  EXPECT_EQ(Where(Touchy(3)), 0U);
  const auto moves = placer_->Rebalance({.most_moves = 5});
  ASSERT_TRUE(moves.ok()) << moves.status();
  EXPECT_TRUE(moves->empty());
}

TEST_P(ControlledTest, WhereCpusAreShortRoomIsFoundAllTheSame) {
  Start();
  for (int64_t workload = 1; workload <= 3; ++workload) Put(Touchy(workload), 0);
  for (int64_t workload = 4; workload <= 6; ++workload) Put(Loud(workload), 1);
  ReportAll();
  // 9 of 10 CPUs are expected to be used on both, and 12 of 20 asked for.
  EXPECT_TRUE(Where(Loud(9)).has_value());
}

TEST(AgentStreamTest, WhoIsRefusedLearnsWhy) {
  auto link = LinkThroughGrpc({});
  ASSERT_TRUE(link.ok()) << link.status();
  const absl::Status refused = (*link)->Connect(v1::Hello());
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), testing::HasSubstr("protocol version"));
}

// Hears nothing.
class NobodyThere final : public ControllerLink {
 public:
  absl::Status Connect(const v1::Hello&) override { return absl::UnavailableError("nobody is there"); }
  absl::Status Report(size_t, const v1::Report&) override { return absl::OkStatus(); }
  void Elapse(absl::Duration) override {}
  absl::StatusOr<v1::PlaceResponse> Place(const v1::PlaceRequest&) override { return v1::PlaceResponse(); }
  absl::StatusOr<v1::ScoreHostsResponse> ScoreHosts(const v1::ScoreHostsRequest&) override {
    return v1::ScoreHostsResponse();
  }
  absl::StatusOr<v1::ReserveResponse> Reserve(const v1::ReserveRequest&) override { return v1::ReserveResponse(); }
  absl::StatusOr<v1::ReleaseResponse> Release(const v1::ReleaseRequest&) override { return v1::ReleaseResponse(); }
  absl::StatusOr<v1::Advice> Advise(int32_t) override { return v1::Advice(); }
};

TEST(ControlledErrorsTest, WhatAnAgentIsToldComesOutWithTheNextQuestion) {
  Controlled placer({}, std::make_unique<NobodyThere>());
  placer.OnHosts({{10, 100, 0}});
  EXPECT_EQ(placer.Place(Loud(1)).status().message(), "nobody is there");
  EXPECT_EQ(placer.Rebalance({.most_moves = 1}).status().message(), "nobody is there");
}

}  // namespace
}  // namespace truce::lab::fleet
