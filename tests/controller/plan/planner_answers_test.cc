// What the planner makes of the agents' answers: refusals, reverts, actions held or lost, leases that ran out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/plan/planner.h"
#include "tests/controller/plan/bench_host.h"

namespace truce::controller {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::SizeIs;
using testing::UnorderedElementsAre;

constexpr v1::Lever kPin = v1::LEVER_CPU_PIN;
constexpr v1::Lever kQuota = v1::LEVER_CPU_QUOTA;

TEST(PlannerAnswersTest, ARefusalOrARevertIsNotAskedForAgainForTenMinutes) {
  for (bool refused : {true, false}) {
    BenchHost host;
    host.Round(MakeScene());
    const std::string lease = host.Find("truce/stress", kPin)->action.lease_id();
    const auto decisions = refused ? host.Answer(lease, v1::ACTION_STATE_REFUSED, "cpuset is not mounted")
                                   : host.Receive(lease, v1::RECEIPT_OUTCOME_REVERTED);
    EXPECT_THAT(Verdicts(decisions), ElementsAre("release"));
    host.Round(MakeScene());
    EXPECT_EQ(host.Find("truce/stress", kPin), nullptr);
    EXPECT_NE(host.Find("truce/stress", kQuota), nullptr) << "the next lever is tried";
    host.plan.actions.clear();
    host.Advance(kFutileBackoff);
    host.Round(MakeScene());
    EXPECT_NE(host.Find("truce/stress", kPin), nullptr);
  }
}

// What the agent lacked may be there now; that a lever is no help does not depend on that.
TEST(PlannerAnswersTest, AHelloEndsTheWaitAfterARefusalButNotAfterARevert) {
  for (bool refused : {true, false}) {
    BenchHost host;
    host.Round(MakeScene());
    const std::string lease = host.Find("truce/stress", kPin)->action.lease_id();
    if (refused) {
      host.Answer(lease, v1::ACTION_STATE_REFUSED, "systemd can't be asked");
    } else {
      host.Receive(lease, v1::RECEIPT_OUTCOME_REVERTED);
    }
    PlanContext context = host.Context();
    Adopt(host.host(), absl::Seconds(1), host.plan, context);
    host.Round(MakeScene());
    EXPECT_EQ(host.Find("truce/stress", kPin) != nullptr, refused);
  }
}

TEST(PlannerAnswersTest, ARefusalThatPassesIsAskedForAgainWhenTheAgentSaysWithinReason) {
  struct Case {
    absl::Duration said;
    absl::Duration waits;
  };
  for (const Case& one : {Case{absl::Seconds(7), absl::Seconds(7)},
                          {absl::ZeroDuration(), absl::Seconds(1)},
                          {-absl::Hours(1), absl::Seconds(1)},
                          {absl::Hours(24 * 365), absl::Minutes(10)}}) {
    SCOPED_TRACE(absl::FormatDuration(one.said));
    BenchHost host;
    host.Round(MakeScene());
    const std::string lease = host.Find("truce/stress", kPin)->action.lease_id();
    const auto decisions = host.Answer(lease, v1::ACTION_STATE_REFUSED, "no budget left", one.said);
    ASSERT_THAT(Verdicts(decisions), ElementsAre("release"));
    EXPECT_THAT(decisions[0].reason(), HasSubstr("not asked again for " + absl::FormatDuration(one.waits)));
    host.Round(MakeScene(), one.waits - absl::Milliseconds(1));
    EXPECT_EQ(host.Find("truce/stress", kPin), nullptr) << "too early";
    host.plan.actions.clear();
    host.Round(MakeScene(), absl::Milliseconds(1));
    EXPECT_NE(host.Find("truce/stress", kPin), nullptr);
  }
}

TEST(PlannerAnswersTest, TakesOverWhatTheAgentHoldsAfterARestartOfTheController) {
  BenchHost before;
  Protect(&before);
  const auto& planned = *before.Find("truce/stress", kPin);
  v1::Hello hello = MakeHello("web-1");
  auto* held = hello.add_held();
  *held->mutable_action() = planned.action;
  SetTime(planned.applied_at->wall, held->mutable_applied_at());
  BenchHost after(hello);
  PlanContext context = after.Context();
  EXPECT_THAT(Adopt(after.host(), absl::InfiniteDuration(), after.plan, context), IsEmpty());
  ASSERT_NE(after.Find("truce/stress", kPin), nullptr);
  EXPECT_EQ(after.Find("truce/stress", kPin)->action.lease_id(), planned.action.lease_id());
  EXPECT_EQ(after.Find("truce/stress", kPin)->state, v1::ACTION_STATE_APPLIED);
  EXPECT_THAT(after.Round(MakeScene(30)), IsEmpty()) << "kept while the score has not come down to restore";
}

TEST(PlannerAnswersTest, GivesUpWhatAnAgentCanNotHoldAnyMore) {
  BenchHost host;
  Protect(&host);
  PlanContext context = host.Context();
  EXPECT_THAT(Adopt(host.host(), absl::Seconds(10), host.plan, context), IsEmpty());
  EXPECT_EQ(host.Find("truce/stress", kPin)->state, v1::ACTION_STATE_PENDING);
  EXPECT_THAT(Verdicts(Adopt(host.host(), absl::Seconds(31), host.plan, context)), ElementsAre("release"));
}

TEST(PlannerAnswersTest, BetweenAHelloAndTheFirstReportOnlyWhatTheAgentHoldsIsRenewed) {
  BenchHost host;
  v1::Report report = MakeScene();
  AddWorkload({"truce/batch", v1::WORKLOAD_CLASS_BEST_EFFORT, 3}, &report);
  AddPair("truce/redis", "truce/batch", 80, &report);
  host.Round(report);
  host.ApplyAll();
  ASSERT_THAT(host.plan.actions, SizeIs(2));
  const auto leases_asked_for = [&host] {
    v1::DesiredSet desired;
    FillDesiredSet(host.host(), host.plan, host.policy, false, &desired);
    std::vector<std::string> leases;
    for (const auto& action : desired.actions()) leases.push_back(action.lease_id());
    return leases;
  };
  const std::string kept = host.Find("truce/stress", kPin)->action.lease_id();
  const std::string lost = host.Find("truce/batch", kPin)->action.lease_id();
  EXPECT_THAT(leases_asked_for(), UnorderedElementsAre(kept, lost));

  v1::Hello hello = MakeHello("web-1");
  *hello.add_held()->mutable_action() = host.Find("truce/stress", kPin)->action;
  host.fleet().OnClosed(1, host.now());
  host.Advance(absl::Seconds(10));
  const auto accepted = host.fleet().OnHello(2, hello, host.now());
  ASSERT_TRUE(accepted.ok()) << accepted.status();
  PlanContext context = host.Context();
  EXPECT_THAT(Adopt(host.host(), accepted->away, host.plan, context), IsEmpty());
  EXPECT_THAT(leases_asked_for(), ElementsAre(kept));
  EXPECT_THAT(host.Plan(), IsEmpty()) << "what is known of the host is older than the connection";
  EXPECT_THAT(leases_asked_for(), ElementsAre(kept));
  host.Round(report);
  EXPECT_THAT(leases_asked_for(), IsSupersetOf({kept, lost})) << "both are still needed";
}

TEST(PlannerAnswersTest, AnExpiredLeaseIsAskedForAgain) {
  BenchHost host;
  Protect(&host);
  host.Receive(host.Find("truce/stress", kPin)->action.lease_id(), v1::RECEIPT_OUTCOME_EXPIRED);
  ASSERT_NE(host.Find("truce/stress", kPin), nullptr);
  EXPECT_EQ(host.Find("truce/stress", kPin)->state, v1::ACTION_STATE_PENDING);
}

}  // namespace
}  // namespace truce::controller
