#include "controller/plan/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/controller/plan/bench_host.h"

namespace truce::controller {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;

TEST(PolicyTest, TheDefaultIsCompleteAndSound) {
  v1::Policy policy = DefaultPolicy();
  EXPECT_THAT(CompletePolicy(DefaultPolicy(), &policy), IsEmpty());
  EXPECT_TRUE(CheckPolicy(policy).ok()) << CheckPolicy(policy);
}

TEST(PolicyTest, NamesEveryFieldThatIsWrong) {
  v1::Policy policy = DefaultPolicy();
  policy.mutable_thresholds(0)->set_restore_score(60);
  policy.set_quota_cut_ratio(1.5);
  policy.set_minimum_confidence(std::numeric_limits<double>::quiet_NaN());
  policy.mutable_step_interval()->set_seconds(-5);
  policy.add_mode_rules()->set_host("web-1");
  const std::string message(CheckPolicy(policy).message());
  for (const char* part :
       {"thresholds[0] (global threshold).restore_score: 60", "quota_cut_ratio: 1.5 is not between 0.1",
        "minimum_confidence: nan", "step_interval: -5s", "mode of host web-1"}) {
    EXPECT_THAT(message, HasSubstr(part));
  }
}

TEST(PolicyTest, FillsInWhatIsLeftOutAndSaysWhat) {
  v1::Policy policy;
  policy.set_floor_cores(0.5);
  EXPECT_THAT(CompletePolicy(DefaultPolicy(), &policy), Contains("quota_cut_ratio"));
  EXPECT_EQ(policy.floor_cores(), 0.5);
  EXPECT_THAT(DescribeChanges(DefaultPolicy(), policy), testing::ElementsAre("floor_cores: 0.1 -> 0.5"));
}

// `host_actions_per_minute: 0` means none, and must not come to mean the default.
TEST(PolicyTest, ZeroIsAValueAndStays) {
  v1::Policy policy = DefaultPolicy();
  policy.set_host_actions_per_minute(0);
  policy.set_fleet_actions_per_minute(0);
  policy.set_minimum_confidence(0);
  policy.set_deadband_ratio(0);
  policy.mutable_thresholds(0)->set_restore_score(0);
  const v1::Policy given = policy;
  EXPECT_THAT(CompletePolicy(DefaultPolicy(), &policy), IsEmpty());
  EXPECT_TRUE(SamePolicy(policy, given)) << policy.ShortDebugString();
  EXPECT_TRUE(CheckPolicy(policy).ok()) << CheckPolicy(policy);
  policy.set_quota_cut_ratio(0);
  CompletePolicy(DefaultPolicy(), &policy);
  EXPECT_THAT(std::string(CheckPolicy(policy).message()), HasSubstr("quota_cut_ratio: 0 is not between"));
}

TEST(PolicyTest, MigrationsAreAdvisedUnlessSaidAndBoundByTheHour) {
  v1::Policy policy;
  EXPECT_THAT(CompletePolicy(DefaultPolicy(), &policy),
              IsSupersetOf({"migration_mode", "host_migrations_per_hour", "fleet_migrations_per_hour"}));
  EXPECT_EQ(policy.migration_mode(), v1::MODE_ADVISE);
  EXPECT_EQ(policy.host_migrations_per_hour(), 2u);
  EXPECT_EQ(policy.fleet_migrations_per_hour(), 10u);
  policy.set_migration_mode(v1::MODE_ENFORCE);
  policy.set_fleet_migrations_per_hour(0);
  EXPECT_TRUE(CheckPolicy(policy).ok()) << CheckPolicy(policy);
  EXPECT_THAT(DescribeChanges(DefaultPolicy(), policy),
              testing::ElementsAre("fleet_migrations_per_hour: 10 -> 0", "migration_mode: advise -> enforce"));
  policy.set_migration_mode(static_cast<v1::Mode>(9));
  policy.set_host_migrations_per_hour(200'000);
  EXPECT_THAT(std::string(CheckPolicy(policy).message()),
              testing::AllOf(HasSubstr("migration_mode: 9 is not observe, advise or enforce"),
                             HasSubstr("host_migrations_per_hour: 200000 is more than 100000")));
}

TEST(PolicyTest, AThresholdWithoutAScoreHasTheGlobalOne) {
  v1::Policy policy;
  policy.add_thresholds()->set_victim("redis");
  policy.mutable_thresholds(0)->set_trigger_score(80);
  policy.add_thresholds()->set_restore_score(30);
  EXPECT_THAT(CompletePolicy(DefaultPolicy(), &policy),
              IsSupersetOf({"thresholds[0] (threshold for victim redis).restore_score",
                            "thresholds[1] (global threshold).trigger_score"}));
  EXPECT_EQ(policy.thresholds(1).trigger_score(), 60) << "the configuration's";
  EXPECT_EQ(policy.thresholds(0).trigger_score(), 80);
  EXPECT_EQ(policy.thresholds(0).restore_score(), 30) << "the policy's own global one";
  EXPECT_TRUE(CheckPolicy(policy).ok()) << CheckPolicy(policy);

  v1::Policy alone;
  alone.add_thresholds()->set_victim("redis");
  alone.mutable_thresholds(0)->set_trigger_score(10);
  CompletePolicy(DefaultPolicy(), &alone);
  EXPECT_EQ(alone.thresholds(0).restore_score(), 20);
  EXPECT_THAT(std::string(CheckPolicy(alone).message()), HasSubstr("restore_score: 20 is not at least 0 and below"));
}

// An agent would refuse them every ten minutes, or they would never be looked at.
TEST(PolicyTest, AllocationsThatCanNeverWorkAreRefused) {
  const auto problem = [](const std::vector<v1::AllocationRule>& rules) {
    v1::Policy policy = DefaultPolicy();
    for (const auto& rule : rules) *policy.add_allocations() = rule;
    return std::string(CheckPolicy(policy).message());
  };
  v1::AllocationRule rule;
  rule.set_workload("shop");
  EXPECT_EQ(problem({rule}), "");
  for (const double cores : {0.05, 0.0001, 1e308, -1.0, std::numeric_limits<double>::quiet_NaN()}) {
    v1::AllocationRule bad = rule;
    bad.set_most_cores(cores);
    EXPECT_THAT(problem({bad}), HasSubstr("is not between floor_cores (0.1) and 8192")) << cores;
    bad = rule;
    bad.set_least_cores(cores);
    EXPECT_THAT(problem({bad}), HasSubstr("shop: least_cores: ")) << cores;
  }
  EXPECT_THAT(problem({rule, rule}), HasSubstr("shop: the rule never holds, because an earlier one is for the same"));
  v1::AllocationRule of_host = rule;
  of_host.set_host("web-1");
  EXPECT_EQ(problem({of_host, rule}), "") << "the host's own, then everybody's";
  EXPECT_THAT(problem({rule, of_host}), HasSubstr("shop on host web-1: the rule never holds"));
  EXPECT_THAT(problem({of_host, of_host}), HasSubstr("leave one of them out"));
}

TEST(PolicyTest, AnotherOrderIsAChange) {
  v1::Policy before = DefaultPolicy();
  before.add_thresholds()->set_victim("redis");
  before.add_thresholds()->set_victim("truce/redis");
  v1::Policy after = before;
  after.set_version(9);
  EXPECT_TRUE(SamePolicy(before, after));
  EXPECT_THAT(DescribeChanges(before, after), IsEmpty());
  after.mutable_thresholds()->SwapElements(1, 2);
  EXPECT_FALSE(SamePolicy(before, after));
  EXPECT_THAT(DescribeChanges(before, after),
              testing::ElementsAre("the order of thresholds, mode_rules or allocations"));
}

TEST(PolicyTest, TheMostSpecificModeRuleWins) {
  BenchHost host;
  host.Round(MakeScene(0));
  const v1::Workload& stress = host.host().report.workloads(1).workload();
  v1::Policy policy = DefaultPolicy();
  EXPECT_EQ(ModeOf(policy, host.host(), stress), v1::MODE_ENFORCE) << "no rule: what the agent says";
  v1::ModeRule rule;
  rule.set_mode(v1::MODE_OBSERVE);
  SetModeRule(rule, &policy);
  EXPECT_EQ(ModeOf(policy, host.host(), stress), v1::MODE_OBSERVE);
  rule.set_workload_class(v1::WORKLOAD_CLASS_BEST_EFFORT);
  rule.set_mode(v1::MODE_ADVISE);
  SetModeRule(rule, &policy);
  rule.clear_workload_class();
  rule.set_host("web-1");
  rule.set_mode(v1::MODE_OBSERVE);
  SetModeRule(rule, &policy);
  EXPECT_EQ(ModeOf(policy, host.host(), stress), v1::MODE_ADVISE) << "class before host";
  rule.clear_host();
  rule.set_workload("truce/stress");
  rule.set_mode(v1::MODE_ENFORCE);
  SetModeRule(rule, &policy);
  SetModeRule(rule, &policy);
  EXPECT_EQ(ModeOf(policy, host.host(), stress), v1::MODE_ENFORCE) << "workload before class";
  EXPECT_EQ(policy.mode_rules_size(), 4) << "the same scope is one rule";
}

TEST(PolicyTest, TwoRulesOfOneScopeAreRefusedAndSettingTheModeLeavesOne) {
  v1::Policy policy = DefaultPolicy();
  for (const v1::Mode mode : {v1::MODE_OBSERVE, v1::MODE_ENFORCE}) {
    v1::ModeRule& rule = *policy.add_mode_rules();
    rule.set_workload_class(v1::WORKLOAD_CLASS_BEST_EFFORT);
    rule.set_mode(mode);
  }
  EXPECT_THAT(std::string(CheckPolicy(policy).message()),
              HasSubstr("mode_rules[1]: the mode of class best_effort is set by mode_rules[0] already"));
  v1::ModeRule observe = policy.mode_rules(0);
  SetModeRule(observe, &policy);
  ASSERT_EQ(policy.mode_rules_size(), 1);
  EXPECT_EQ(policy.mode_rules(0).mode(), v1::MODE_OBSERVE);
  EXPECT_TRUE(CheckPolicy(policy).ok());
  *policy.add_thresholds() = policy.thresholds(0);
  EXPECT_THAT(std::string(CheckPolicy(policy).message()),
              HasSubstr("thresholds[0] is about the same pairs; leave one of them out"));
}

}  // namespace
}  // namespace truce::controller
