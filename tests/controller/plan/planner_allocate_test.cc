// Quotas that follow what their workloads need: who gets one, within which bounds, and who comes first.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/plan/allocations.h"
#include "src/base/text.h"
#include "tests/controller/plan/bench_host.h"

namespace truce::controller {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr v1::Lever kQuota = v1::LEVER_CPU_QUOTA;

class AllocateTest : public testing::Test {
 protected:
  AllocateTest() {
    rule_ = host_.policy.add_allocations();
    rule_->set_workload("truce/shop");
    AddWorkload({"truce/shop", v1::WORKLOAD_CLASS_STANDARD, 0.5}, &report_);
    report_.mutable_workloads(0)->mutable_workload()->set_instance(7);
    report_.mutable_workloads(0)->mutable_workload()->clear_allowed_levers();
    report_.mutable_workloads(0)->mutable_workload()->add_allowed_levers(kQuota);
  }
  const PlannedAction* Held() {
    const auto it = host_.plan.allocations.find({"truce/shop", kQuota});
    return it == host_.plan.allocations.end() ? nullptr : &it->second;
  }
  v1::WorkloadReport& shop() { return *report_.mutable_workloads(0); }
  v1::DesiredSet Desired() {
    v1::DesiredSet desired;
    FillDesiredSet(host_.host(), host_.plan, host_.policy, false, &desired);
    return desired;
  }

  BenchHost host_;
  v1::AllocationRule* rule_;
  v1::Report report_;
};

TEST_F(AllocateTest, ARuleGivesItsWorkloadAQuotaThatFollows) {
  const auto decisions = host_.Round(report_);
  ASSERT_THAT(Verdicts(decisions), ElementsAre("apply"));
  EXPECT_THAT(decisions[0].reason(), HasSubstr("follows what it needs"));
  ASSERT_NE(Held(), nullptr);
  const v1::LeasedAction& action = Held()->action;
  EXPECT_EQ(action.workload_instance(), 7u);
  EXPECT_EQ(action.victim(), "");
  EXPECT_EQ(action.follow().most_cores(), 4) << "the host's CPUs";
  EXPECT_EQ(action.follow().least_cores(), host_.policy.floor_cores());
  EXPECT_EQ(action.follow().headroom_ratio(), 0.2);
  EXPECT_EQ(action.quota_cores(), action.follow().most_cores()) << "an agent that can't follow takes nothing away";
  EXPECT_THAT(Desired().actions(), SizeIs(1));
  EXPECT_TRUE(host_.Round(report_).empty()) << "and nothing changes while nothing does";
  EXPECT_TRUE(host_.plan.actions.empty());
}

TEST_F(AllocateTest, TheRulesBoundsHoldAndFollowChanges) {
  rule_->set_least_cores(0.25);
  rule_->set_most_cores(2);
  rule_->set_headroom_ratio(0.5);
  host_.Round(report_);
  ASSERT_NE(Held(), nullptr);
  EXPECT_EQ(Held()->action.follow().least_cores(), 0.25);
  EXPECT_EQ(Held()->action.follow().most_cores(), 2);
  // The quota that is in force is ours, and no bound of the operator's.
  shop().mutable_readings()->set_cpu_quota_cores(0.6);
  EXPECT_TRUE(host_.Round(report_).empty());
  rule_->set_most_cores(1.5);
  ASSERT_THAT(Verdicts(host_.Round(report_)), ElementsAre("apply"));
  EXPECT_EQ(Held()->action.follow().most_cores(), 1.5);
}

TEST_F(AllocateTest, AnOperatorsQuotaIsTheMost) {
  shop().mutable_readings()->set_cpu_quota_cores(1.5);
  host_.Round(report_);
  EXPECT_EQ(Held()->action.follow().most_cores(), 1.5);
}

TEST_F(AllocateTest, NobodyWhoMayNotBeReduced) {
  const auto none = [this](const char* why) {
    BenchHost host;
    host.policy = host_.policy;
    host.Round(report_);
    EXPECT_TRUE(host.plan.allocations.empty()) << why;
  };
  shop().mutable_workload()->set_workload_class(v1::WORKLOAD_CLASS_CRITICAL);
  none("critical");
  shop().mutable_workload()->set_workload_class(v1::WORKLOAD_CLASS_STANDARD);
  shop().mutable_workload()->clear_allowed_levers();
  none("lever not allowed");
  shop().mutable_workload()->add_allowed_levers(kQuota);
  v1::ModeRule* mode = host_.policy.add_mode_rules();
  mode->set_workload("truce/shop");
  mode->set_mode(v1::MODE_OBSERVE);
  none("observe");
  mode->set_mode(v1::MODE_ENFORCE);
  rule_->set_host("another");
  none("another host's rule");
}

TEST_F(AllocateTest, EndsWithItsRuleItsWorkloadAndOnHold) {
  host_.Round(report_);
  host_.policy.clear_allocations();
  auto decisions = host_.Round(report_);
  ASSERT_THAT(Verdicts(decisions), ElementsAre("release"));
  EXPECT_THAT(decisions[0].reason(), HasSubstr("no rule of the policy names it"));
  EXPECT_EQ(Held(), nullptr);

  host_.policy.add_allocations()->set_workload("truce/shop");
  host_.Round(report_);
  ASSERT_NE(Held(), nullptr);
  shop().mutable_workload()->set_instance(8);
  decisions = host_.Round(report_);
  EXPECT_THAT(Verdicts(decisions), ElementsAre("release", "apply")) << "made anew";

  host_.hold = true;
  EXPECT_THAT(Verdicts(host_.Round(report_)), ElementsAre("release"));
  EXPECT_THAT(Desired().actions(), IsEmpty());
}

TEST_F(AllocateTest, WhatTheAgentRefusesIsNotAskedAgainSoon) {
  host_.Round(report_);
  host_.Answer(Held()->action.lease_id(), v1::ACTION_STATE_REFUSED, "no");
  EXPECT_EQ(Held(), nullptr);
  EXPECT_TRUE(host_.Round(report_).empty());
  host_.Round(report_, kFutileBackoff);
  host_.Round(report_);
  EXPECT_NE(Held(), nullptr);
}

TEST_F(AllocateTest, AQuotaThatProtectsSomebodyComesFirst) {
  v1::Report scene = MakeScene();
  rule_->set_workload(scene.workloads(1).workload().name());
  const std::string giver = rule_->workload();
  scene.mutable_pairs()->Clear();
  host_.Round(scene);
  ASSERT_EQ(host_.plan.allocations.count({giver, kQuota}), 1u);
  // Nothing but the quota is left to act by.
  v1::Report trouble = MakeScene();
  trouble.mutable_workloads(1)->mutable_workload()->clear_allowed_levers();
  trouble.mutable_workloads(1)->mutable_workload()->add_allowed_levers(kQuota);
  host_.Round(trouble);
  EXPECT_NE(host_.Find(giver, kQuota), nullptr);
  EXPECT_EQ(host_.plan.allocations.count({giver, kQuota}), 0u);
  EXPECT_THAT(Desired().actions(), SizeIs(1)) << "one action a lever";
  // When it is over, what is read is still the quota that was ours: it must not become the most that there is.
  v1::Report calm = scene;
  calm.mutable_workloads(1)->mutable_readings()->set_cpu_quota_cores(0.4);
  *calm.add_held()->mutable_action() = host_.Find(giver, kQuota)->action;
  host_.policy.clear_allocations();
  host_.policy.add_allocations()->set_workload(giver);
  host_.plan.actions.clear();
  host_.Round(calm);
  EXPECT_EQ(host_.plan.allocations.count({giver, kQuota}), 0u);
  calm.clear_held();
  host_.Round(calm);
  EXPECT_EQ(host_.plan.allocations.count({giver, kQuota}), 0u) << "read a while ago";
  calm.mutable_workloads(1)->mutable_readings()->clear_cpu_quota_cores();
  for (int i = 0; i < 7; ++i) host_.Round(calm);
  ASSERT_EQ(host_.plan.allocations.count({giver, kQuota}), 1u);
  EXPECT_EQ(host_.plan.allocations.at({giver, kQuota}).action.follow().most_cores(), 4);
}

TEST_F(AllocateTest, LeavesHalfOfTheBrakesToWhatProtectsSomebody) {
  host_.policy.set_host_actions_per_minute(6);
  v1::Report report;
  for (int i = 0; i < 10; ++i) {
    const std::string name = StrCat("truce/w", i);
    AddWorkload({name, v1::WORKLOAD_CLASS_STANDARD, 0.5}, &report);
    report.mutable_workloads(i)->mutable_workload()->clear_allowed_levers();
    report.mutable_workloads(i)->mutable_workload()->add_allowed_levers(kQuota);
    host_.policy.add_allocations()->set_workload(name);
  }
  host_.Round(report);
  EXPECT_EQ(host_.plan.allocations.size(), 3u);
  host_.Round(report, absl::Minutes(1));
  EXPECT_EQ(host_.plan.allocations.size(), 6u);
  host_.brake.connected_hosts = 10;
  host_.brake.troubled_hosts = 9;
  host_.Round(report, absl::Minutes(1));
  EXPECT_EQ(host_.plan.allocations.size(), 6u) << "too many hosts are in trouble";
}

// What is there must follow the policy also where nothing new may begin.
TEST_F(AllocateTest, BrakesBoundWhatIsNewAndNotWhatIsThere) {
  host_.Round(report_);
  host_.policy.set_host_actions_per_minute(0);
  rule_->set_most_cores(1.5);
  ASSERT_THAT(Verdicts(host_.Round(report_)), ElementsAre("apply"));
  EXPECT_EQ(Held()->action.follow().most_cores(), 1.5);
  v1::ModeRule* mode = host_.policy.add_mode_rules();
  mode->set_workload("truce/shop");
  mode->set_mode(v1::MODE_ADVISE);
  const auto decisions = host_.Round(report_);
  ASSERT_THAT(Verdicts(decisions), ElementsAre("apply"));
  EXPECT_THAT(decisions[0].reason(), HasSubstr("the mode of truce/shop is advise now"));
  EXPECT_EQ(Held()->action.mode(), v1::MODE_ADVISE);
  EXPECT_THAT(host_.Round(report_), IsEmpty());
}

// The quota that is read while one of ours is in force is ours, and no bound on what may be asked for.
TEST_F(AllocateTest, ALeastThatIsRaisedIsTheNextBound) {
  rule_->set_least_cores(0.15);
  rule_->set_most_cores(1.5);
  host_.Round(report_);
  shop().mutable_readings()->set_cpu_quota_cores(0.28);
  rule_->set_least_cores(1);
  ASSERT_THAT(Verdicts(host_.Round(report_)), ElementsAre("apply"));
  EXPECT_EQ(Held()->action.follow().least_cores(), 1);
  EXPECT_EQ(Held()->action.follow().most_cores(), 1.5);
  EXPECT_THAT(host_.Round(report_), IsEmpty());
}

// An agent that reads quotas every ten minutes goes on telling of ours for as long.
TEST_F(AllocateTest, AReadingThatIsOldIsNotTakenForTheOperatorsBound) {
  v1::Hello hello = MakeHello("web-1");
  hello.mutable_slow_interval()->set_seconds(600);
  BenchHost slow(hello);
  slow.policy = host_.policy;
  slow.policy.mutable_allocations(0)->set_most_cores(1.5);
  slow.Round(report_);
  slow.Round(report_);
  shop().mutable_readings()->set_cpu_quota_cores(0.52);
  slow.policy.mutable_allocations(0)->set_most_cores(1.8);
  EXPECT_THAT(Verdicts(slow.Round(report_)), ElementsAre("release"));
  for (int i = 0; i < 60; ++i) {
    ASSERT_THAT(slow.Round(report_, absl::Seconds(10)), IsEmpty()) << "10 s x " << i;
  }
  shop().mutable_readings()->clear_cpu_quota_cores();
  slow.Round(report_);
  ASSERT_EQ(slow.plan.allocations.size(), 1u);
  EXPECT_EQ(slow.plan.allocations.begin()->second.action.follow().most_cores(), 1.8);
}

// A lease of an earlier controller may have run out just before.
TEST_F(AllocateTest, AfterAHelloAQuotaIsBelievedOnceItMustBeTheWorkloadsOwn) {
  PlanContext context = host_.Context();
  Adopt(host_.host(), absl::InfiniteDuration(), host_.plan, context);
  shop().mutable_readings()->set_cpu_quota_cores(0.52);
  host_.Round(report_);
  EXPECT_EQ(Held(), nullptr);
  host_.Round(report_, QuotaSettles(host_.host(), host_.policy));
  ASSERT_NE(Held(), nullptr);
  EXPECT_EQ(Held()->action.follow().most_cores(), 0.52);
}

TEST_F(AllocateTest, MoreThanBeforeIsGivenByBeginningAnew) {
  rule_->set_most_cores(1);
  host_.Round(report_);
  rule_->set_most_cores(3);
  EXPECT_THAT(Verdicts(host_.Round(report_)), ElementsAre("release", "apply"));
  EXPECT_EQ(Held()->action.follow().most_cores(), 3);
}

TEST_F(AllocateTest, IsTakenOverFromAnAgentThatHoldsIt) {
  host_.Round(report_);
  v1::HeldAction held;
  *held.mutable_action() = Held()->action;
  host_.plan = {};
  host_.host().held = {held};
  PlanContext context = host_.Context();
  EXPECT_THAT(Adopt(host_.host(), absl::Seconds(3), host_.plan, context), IsEmpty());
  ASSERT_NE(Held(), nullptr);
  EXPECT_EQ(Held()->action.lease_id(), held.action().lease_id());
  EXPECT_TRUE(host_.plan.actions.empty());
  EXPECT_TRUE(host_.Round(report_).empty()) << "it stays as it is";
}

}  // namespace
}  // namespace truce::controller
