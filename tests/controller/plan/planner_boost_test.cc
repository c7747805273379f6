// When a critical victim is raised instead of somebody else reduced.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/controller/plan/bench_host.h"

namespace truce::controller {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr v1::Lever kWeight = v1::LEVER_CPU_WEIGHT;

// Two critical workloads; the victim stands above the other by its priority.
v1::Report Critical(int victim_priority = 1, v1::Resource resource = v1::RESOURCE_CPU, double score = 90) {
  v1::Report report;
  AddWorkload({"truce/redis", v1::WORKLOAD_CLASS_CRITICAL, 0.8, victim_priority, v1::DIAGNOSIS_NEIGHBOUR}, &report);
  AddWorkload({"truce/ledger", v1::WORKLOAD_CLASS_CRITICAL, 2}, &report);
  for (v1::WorkloadReport& workload : *report.mutable_workloads()) {
    workload.mutable_workload()->add_allowed_levers(kWeight);
  }
  AddPair("truce/redis", "truce/ledger", score, &report, resource);
  return report;
}

TEST(PlannerBoostTest, WhoMayNotBeReducedIsAnsweredByRaisingTheVictim) {
  BenchHost host;
  const auto decisions = host.Round(Critical());
  ASSERT_THAT(Verdicts(decisions), ElementsAre("apply"));
  EXPECT_THAT(decisions[0].reason(), HasSubstr("truce/redis is raised: cpu_weight, 1000 where 100 is usual"));
  const PlannedAction* boost = host.Find("truce/redis", kWeight);
  ASSERT_NE(boost, nullptr);
  EXPECT_EQ(boost->action.victim(), "truce/redis");
  EXPECT_EQ(boost->action.cpu_weight(), 1000u);
  EXPECT_EQ(host.plan.actions.size(), 1u) << "nobody is reduced";
  // And stays while the pair is in trouble and it helps.
  host.ApplyAll();
  v1::Report better = Critical();
  better.mutable_workloads(0)->set_slowdown_ratio(0.05);
  for (int i = 0; i < 30; ++i) EXPECT_TRUE(host.Round(better).empty());
  EXPECT_NE(host.Find("truce/redis", kWeight), nullptr);
}

TEST(PlannerBoostTest, OfEqualsNeitherIsRaised) {
  BenchHost host;
  const auto decisions = host.Round(Critical(0));
  ASSERT_THAT(Verdicts(decisions), ElementsAre("leave_alone"));
  EXPECT_THAT(decisions[0].reason(), HasSubstr("truce/redis is not raised: neither has the higher priority"));
}

TEST(PlannerBoostTest, AWeightIsOfUseForCpusAlone) {
  BenchHost host;
  const auto decisions = host.Round(Critical(1, v1::RESOURCE_LLC));
  ASSERT_THAT(Verdicts(decisions), ElementsAre("leave_alone"));
  EXPECT_THAT(decisions[0].reason(), HasSubstr("its weight is of no use against contention for"));
}

TEST(PlannerBoostTest, NotWhereTheVictimsModeOrItsLeversForbidIt) {
  BenchHost observed;
  v1::ModeRule* rule = observed.policy.add_mode_rules();
  rule->set_workload("truce/redis");
  rule->set_mode(v1::MODE_OBSERVE);
  EXPECT_THAT(observed.Round(Critical())[0].reason(), HasSubstr("its mode is observe"));
  EXPECT_TRUE(observed.plan.actions.empty());

  BenchHost forbidden;
  v1::Report report = Critical();
  report.mutable_workloads(0)->mutable_workload()->clear_allowed_levers();
  EXPECT_THAT(forbidden.Round(report)[0].reason(), HasSubstr("cpu_weight is not among its allowed levers"));
  EXPECT_TRUE(forbidden.plan.actions.empty());
}

TEST(PlannerBoostTest, ComesWhereNoLeverOfTheOtherIsLeft) {
  BenchHost host;
  v1::Report report = MakeScene();
  report.mutable_workloads(0)->mutable_workload()->add_allowed_levers(kWeight);
  report.mutable_workloads(1)->mutable_workload()->clear_allowed_levers();
  ASSERT_THAT(Verdicts(host.Round(report)), ElementsAre("apply"));
  EXPECT_NE(host.Find("truce/redis", kWeight), nullptr);
  // A victim that is not critical is not raised.
  BenchHost standard;
  report.mutable_workloads(0)->mutable_workload()->set_workload_class(v1::WORKLOAD_CLASS_STANDARD);
  EXPECT_THAT(Verdicts(standard.Round(report)), ElementsAre("leave_alone"));
}

// The boosted one's neighbour is critical as well, of this priority, and suffers from it.
v1::Report CriticalWithABystander(int priority) {
  v1::Report report = Critical(1);
  AddWorkload({"truce/billing", v1::WORKLOAD_CLASS_CRITICAL, 1, priority, v1::DIAGNOSIS_NEIGHBOUR}, &report);
  AddPair("truce/billing", "truce/redis", 90, &report);
  return report;
}

TEST(PlannerBoostTest, NotAtTheCostOfACriticalWorkloadThatRanksNoLower) {
  for (const int priority : {1, 2}) {
    BenchHost host;
    host.Round(Critical());
    host.ApplyAll();
    ASSERT_NE(host.Find("truce/redis", kWeight), nullptr);
    const auto decisions = host.Round(CriticalWithABystander(priority));
    ASSERT_THAT(Verdicts(decisions), Contains("release"));
    EXPECT_THAT(decisions[0].reason(), HasSubstr("it slows truce/billing"));
    EXPECT_EQ(host.Find("truce/redis", kWeight), nullptr);
    // Nor again when the bystander has recovered because of that.
    for (int i = 0; i < 100; ++i) {
      host.Round(Critical());
      EXPECT_EQ(host.Find("truce/redis", kWeight), nullptr);
    }
    BenchHost fresh;
    fresh.Round(CriticalWithABystander(priority));
    EXPECT_EQ(fresh.Find("truce/redis", kWeight), nullptr) << "nor does it begin";
  }
  BenchHost lower;
  lower.Round(CriticalWithABystander(0));
  EXPECT_NE(lower.Find("truce/redis", kWeight), nullptr);
}

TEST(PlannerBoostTest, CoversNoContentionForAnythingElse) {
  BenchHost host;
  host.Round(Critical());
  host.ApplyAll();
  v1::Report report = Critical();
  report.mutable_workloads(0)->set_slowdown_ratio(0.05);
  AddWorkload({"truce/search", v1::WORKLOAD_CLASS_CRITICAL, 1}, &report);
  AddPair("truce/redis", "truce/search", 90, &report, v1::RESOURCE_LLC);
  const auto decisions = host.Round(report);
  ASSERT_THAT(Verdicts(decisions), ElementsAre("leave_alone"));
  EXPECT_THAT(decisions[0].reason(), HasSubstr("its weight is of no use against contention for"));
}

TEST(PlannerBoostTest, OneThatIsOnlyAdvisedIsNoHelp) {
  BenchHost host;
  v1::ModeRule* rule = host.policy.add_mode_rules();
  rule->set_workload("truce/redis");
  rule->set_mode(v1::MODE_ADVISE);
  host.Round(Critical());
  host.ApplyAll();
  ASSERT_EQ(host.Find("truce/redis", kWeight)->state, v1::ACTION_STATE_ADVISED);
  std::vector<std::string> verdicts;
  for (int i = 0; i < 4; ++i) {
    for (const v1::Decision& decision : host.Round(Critical())) {
      verdicts.push_back(decision.verdict());
      EXPECT_THAT(decision.reason(), HasSubstr("it is already, or that was advised, and it suffers on"));
    }
  }
  EXPECT_THAT(verdicts, ElementsAre("leave_alone")) << "and so a move is thought of";
}

TEST(PlannerBoostTest, IsTakenBackWhenAllItsPairsHaveBeenCalm) {
  BenchHost host;
  host.Round(Critical());
  host.ApplyAll();
  std::vector<std::string> verdicts;
  for (int i = 0; i < 20; ++i) {
    for (const std::string& verdict : Verdicts(host.Round(Critical(1, v1::RESOURCE_CPU, 10))))
      verdicts.push_back(verdict);
  }
  EXPECT_THAT(verdicts, ElementsAre("release"));
  EXPECT_EQ(host.Find("truce/redis", kWeight), nullptr);
}

TEST(PlannerBoostTest, IsTakenBackWhenItsVictimIsNotCriticalAnyMore) {
  BenchHost host;
  host.Round(Critical());
  host.ApplyAll();
  v1::Report report = Critical();
  report.mutable_workloads(0)->mutable_workload()->set_workload_class(v1::WORKLOAD_CLASS_STANDARD);
  EXPECT_THAT(Verdicts(host.Round(report)), Contains("release"));
  EXPECT_EQ(host.Find("truce/redis", kWeight), nullptr);
}

TEST(PlannerBoostTest, OneThatDoesNotHelpIsNotTriedAgainSoSoonAndSaid) {
  BenchHost host;
  host.Round(Critical());
  host.ApplyAll();
  host.Receive(host.Find("truce/redis", kWeight)->action.lease_id(), v1::RECEIPT_OUTCOME_REVERTED);
  const auto decisions = host.Round(Critical());
  ASSERT_THAT(Verdicts(decisions), ElementsAre("leave_alone"));
  EXPECT_THAT(decisions[0].reason(), HasSubstr("cpu_weight was refused or did not help"));
}

}  // namespace
}  // namespace truce::controller
