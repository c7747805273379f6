// Which mode holds: a wrong answer here is a change that nobody allowed.
#include "agent/modes.h"

#include <gtest/gtest.h>

namespace truce::agent {
namespace {

v1::ModeRule Rule(v1::Mode mode, const std::string& workload = "",
                  v1::WorkloadClass workload_class = v1::WORKLOAD_CLASS_UNSPECIFIED, const std::string& host = "") {
  v1::ModeRule rule;
  rule.set_mode(mode);
  rule.set_workload(workload);
  rule.set_workload_class(workload_class);
  rule.set_host(host);
  return rule;
}

WorkloadIdentity BestEffort() {
  WorkloadIdentity workload;
  workload.name = "batch/job";
  workload.application = "job";
  workload.workload_class = v1::WORKLOAD_CLASS_BEST_EFFORT;
  return workload;
}

TEST(EffectiveModeTest, WithoutARuleTheAgentsOwnModeHolds) {
  EXPECT_EQ(EffectiveMode({}, {}, BestEffort()), v1::MODE_OBSERVE);
  EXPECT_EQ(EffectiveMode({v1::MODE_ADVISE, v1::MODE_ENFORCE}, {}, BestEffort()), v1::MODE_ADVISE);
}

TEST(EffectiveModeTest, TheMostSpecificRuleWinsInAnyOrder) {
  const v1::ModeRule all = Rule(v1::MODE_ENFORCE);
  const v1::ModeRule by_class = Rule(v1::MODE_ADVISE, "", v1::WORKLOAD_CLASS_BEST_EFFORT);
  const v1::ModeRule by_name = Rule(v1::MODE_OBSERVE, "batch/job");
  EXPECT_EQ(EffectiveMode({}, {all}, BestEffort()), v1::MODE_ENFORCE);
  EXPECT_EQ(EffectiveMode({}, {all, by_class}, BestEffort()), v1::MODE_ADVISE);
  EXPECT_EQ(EffectiveMode({}, {by_class, all}, BestEffort()), v1::MODE_ADVISE);
  EXPECT_EQ(EffectiveMode({}, {by_name, by_class, all}, BestEffort()), v1::MODE_OBSERVE);
  EXPECT_EQ(EffectiveMode({}, {all, by_class, by_name}, BestEffort()), v1::MODE_OBSERVE);
}

TEST(EffectiveModeTest, ARuleForThisHostBeatsOneForAllAndOfTwoAlikeTheLaterWins) {
  const v1::ModeRule here = Rule(v1::MODE_OBSERVE, "", v1::WORKLOAD_CLASS_UNSPECIFIED, "web-1");
  EXPECT_EQ(EffectiveMode({}, {here, Rule(v1::MODE_ENFORCE)}, BestEffort()), v1::MODE_OBSERVE);
  EXPECT_EQ(EffectiveMode({}, {Rule(v1::MODE_ENFORCE), Rule(v1::MODE_ADVISE)}, BestEffort()), v1::MODE_ADVISE);
}

TEST(EffectiveModeTest, RulesForOthersAndRulesWithoutAModeDoNotCount) {
  EXPECT_EQ(EffectiveMode({}, {Rule(v1::MODE_ENFORCE, "other")}, BestEffort()), v1::MODE_OBSERVE);
  EXPECT_EQ(EffectiveMode({}, {Rule(v1::MODE_ENFORCE, "", v1::WORKLOAD_CLASS_STANDARD)}, BestEffort()),
            v1::MODE_OBSERVE);
  EXPECT_EQ(EffectiveMode({}, {Rule(v1::MODE_UNSPECIFIED)}, BestEffort()), v1::MODE_OBSERVE);
  EXPECT_EQ(EffectiveMode({}, {Rule(static_cast<v1::Mode>(99))}, BestEffort()), v1::MODE_OBSERVE)
      << "a mode of a newer controller";
}

TEST(EffectiveModeTest, CeilingsHoldWhateverTheControllerSays) {
  const std::vector<v1::ModeRule> rules = {Rule(v1::MODE_ENFORCE, "batch/job")};
  EXPECT_EQ(EffectiveMode({v1::MODE_OBSERVE, v1::MODE_ADVISE}, rules, BestEffort()), v1::MODE_ADVISE);
  WorkloadIdentity careful = BestEffort();
  careful.mode_ceiling = v1::MODE_OBSERVE;
  EXPECT_EQ(EffectiveMode({}, rules, careful), v1::MODE_OBSERVE);
  careful.mode_ceiling = v1::MODE_ENFORCE;
  EXPECT_EQ(EffectiveMode({v1::MODE_OBSERVE, v1::MODE_ADVISE}, rules, careful), v1::MODE_ADVISE)
      << "a workload's ceiling does not lift the host's";
}

}  // namespace
}  // namespace truce::agent
