// The policy file: what `get policy -o yaml` prints, `apply -f` reads; what is refused, and where.
#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "controller/cli/yaml.h"
#include "tests/controller/cli/fixture.h"

namespace truce::cli {
namespace {

using google::protobuf::util::MessageDifferencer;
using testing::AllOf;
using testing::HasSubstr;

v1::Policy Example() {
  v1::Policy policy;
  policy.set_version(7);
  v1::Threshold* threshold = policy.add_thresholds();
  threshold->set_trigger_score(60);
  threshold->set_restore_score(30.5);
  threshold = policy.add_thresholds();
  threshold->set_victim_class(v1::WORKLOAD_CLASS_CRITICAL);
  threshold->set_victim("true");  // a text that looks like something else
  threshold->set_aggressor("system.slice/a b: \"c\".service");
  threshold->set_trigger_score(0.1);
  policy.set_minimum_confidence(0.30000000000000004);
  policy.mutable_minimum_dwell()->set_seconds(90);
  policy.mutable_step_interval()->set_nanos(1'500'000);
  policy.mutable_lease_time_to_live()->set_seconds(30);
  policy.set_deadband_ratio(0.05);
  policy.set_quota_cut_ratio(0.5);
  policy.set_quota_release_ratio(0.1);
  policy.set_floor_cores(0.1);
  policy.set_host_actions_per_minute(6);
  policy.set_fleet_actions_per_minute(600);
  policy.set_fleet_brake_ratio(0.2);
  policy.set_migration_mode(v1::MODE_ENFORCE);
  policy.set_host_migrations_per_hour(0);
  policy.set_fleet_migrations_per_hour(3);
  v1::AllocationRule* allocation = policy.add_allocations();
  allocation->set_workload("shop");
  allocation->set_most_cores(1.5);
  allocation->set_reactive(true);
  v1::ModeRule* rule = policy.add_mode_rules();
  rule->set_host("007");
  rule->set_workload_class(v1::WORKLOAD_CLASS_BEST_EFFORT);
  rule->set_mode(v1::MODE_ENFORCE);
  return policy;
}

std::string Refusal(const std::string& text) {
  const auto policy = ReadPolicy({.file = "p.yaml", .text = text}, Example());
  EXPECT_EQ(policy.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(policy.status().message());
}

TEST(PolicyYamlTest, RoundTripKeepsEveryFieldExactly) {
  const v1::Policy policy = Example();
  const std::string text = PolicyToYaml(policy);
  v1::Policy base;
  base.set_version(7);
  const auto read = ReadPolicy({.file = "p.yaml", .text = text}, base);
  ASSERT_TRUE(read.ok()) << read.status() << "\n" << text;
  std::string difference;
  MessageDifferencer differencer;
  differencer.ReportDifferencesToString(&difference);
  EXPECT_TRUE(differencer.Compare(*read, policy)) << difference << text;
}

TEST(PolicyYamlTest, RoundTripOfAnEmptyPolicy) {
  v1::Policy empty;
  const auto read = ReadPolicy({.file = "p.yaml", .text = PolicyToYaml(empty)}, Example());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->thresholds_size(), 0) << "an empty list clears the list";
  EXPECT_EQ(read->mode_rules_size(), 0);
  EXPECT_EQ(read->quota_cut_ratio(), 0.5) << "a number that is absent is not written";
}

TEST(PolicyYamlTest, KeysLeftOutKeepTheirValueAndListsAreReplacedWhole) {
  const auto read =
      ReadPolicy({.file = "p.yaml", .text = "minimum_dwell: 5m\nthresholds:\n  - trigger_score: 80\n"}, Example());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->minimum_dwell().seconds(), 300);
  ASSERT_EQ(read->thresholds_size(), 1);
  EXPECT_EQ(read->thresholds(0).trigger_score(), 80);
  EXPECT_FALSE(read->thresholds(0).has_restore_score()) << "the controller knows the global one";
  EXPECT_EQ(read->mode_rules_size(), 1);
  EXPECT_EQ(read->quota_cut_ratio(), 0.5);
}

TEST(PolicyYamlTest, ZeroIsGivenAndTheRestIsNot) {
  const auto read = ReadPolicy(
      {.file = "p.yaml", .text = "host_actions_per_minute: 0\nthresholds:\n  - restore_score: 0\n"}, v1::Policy());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(read->has_host_actions_per_minute());
  EXPECT_EQ(read->host_actions_per_minute(), 0u);
  EXPECT_FALSE(read->has_fleet_actions_per_minute());
  EXPECT_FALSE(read->has_floor_cores());
  EXPECT_TRUE(read->thresholds(0).has_restore_score());
  EXPECT_FALSE(read->thresholds(0).has_trigger_score());
  EXPECT_THAT(PolicyToYaml(*read), AllOf(HasSubstr("host_actions_per_minute: 0\n"), HasSubstr("restore_score: 0\n")));
}

TEST(PolicyYamlTest, EveryProblemIsToldWithItsLine) {
  EXPECT_THAT(Refusal("minimum_dwell: 30s\nquota_cut: 0.5\n"), AllOf(HasSubstr("p.yaml:2"), HasSubstr("quota_cut")));
  EXPECT_THAT(Refusal("thresholds:\n  - trigger_score: 60\n    trigger: 1\n"),
              AllOf(HasSubstr("p.yaml:3"), HasSubstr("trigger")));
  EXPECT_THAT(Refusal("\nminimum_dwell: 30\n"), AllOf(HasSubstr("p.yaml:2"), HasSubstr("unit")));
  EXPECT_THAT(Refusal("minimum_dwell: -5s\n"), HasSubstr("p.yaml:1"));
  EXPECT_THAT(Refusal("mode_rules:\n  - mode: enforced\n"), AllOf(HasSubstr("p.yaml:2"), HasSubstr("enforce")));
  EXPECT_THAT(Refusal("host_actions_per_minute: -1\n"), HasSubstr("p.yaml:1"));
  EXPECT_THAT(Refusal("thresholds: [\n"), HasSubstr("p.yaml:"));
  EXPECT_THAT(Refusal("floor_cores: lots\nminimum_confidence: some\n"),
              AllOf(HasSubstr("p.yaml:1"), HasSubstr("p.yaml:2")));
}

class PolicyCommandTest : public CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    *controller_.policy.mutable_policy() = Example();
    *controller_.applied.mutable_policy() = Example();
    controller_.applied.mutable_policy()->set_version(8);
  }
  void TearDown() override { std::remove(file_.c_str()); }
  std::string WriteFile(const std::string& text) {
    std::ofstream(file_) << text;
    return file_;
  }
  const std::string file_ = testing::TempDir() + "/truce-policy-" + std::to_string(getpid()) + ".yaml";
};

TEST_F(PolicyCommandTest, ApplySendsTheWholePolicyAndPrintsTheChanges) {
  controller_.applied.add_changes("minimum_dwell: 1m30s -> 2m");
  const Result result = RunWith({"apply", "-f", WriteFile("minimum_dwell: 2m\n")});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "minimum_dwell: 1m30s -> 2m\npolicy version 8\n");
  v1::Policy expected = Example();
  expected.mutable_minimum_dwell()->set_seconds(120);
  EXPECT_TRUE(MessageDifferencer::Equals(controller_.applied_request.policy(), expected));
  EXPECT_FALSE(controller_.applied_request.validate_only());
}

TEST_F(PolicyCommandTest, APolicyThatSaysTheSameIsNamedByTheVersionInForce) {
  controller_.applied.mutable_policy()->set_version(7);
  const Result result = RunWith({"apply", "-f", WriteFile("minimum_dwell: 90s\n")});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "nothing changes: policy version 7 says the same\n");
}

TEST_F(PolicyCommandTest, DryRunOnlyValidates) {
  const Result result = RunWith({"apply", "--dry-run", "-f", WriteFile("floor_cores: 0.2\n")});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("dry run, nothing was changed"));
  EXPECT_TRUE(controller_.applied_request.validate_only());
}

TEST_F(PolicyCommandTest, WhatGetPrintsApplyTakes) {
  const Result get = RunWith({"get", "policy", "-o", "yaml"});
  ASSERT_EQ(get.code, 0) << get.err;
  input_ = get.out;
  const Result apply = RunWith({"apply", "-f", "-"});
  EXPECT_EQ(apply.code, 0) << apply.err;
  EXPECT_TRUE(MessageDifferencer::Equals(controller_.applied_request.policy(), Example()));
}

TEST_F(PolicyCommandTest, BrokenFileIsAUsageErrorAndNothingIsSent) {
  const std::string file = WriteFile("nonsense: 1\n");
  Result result = RunWith({"apply", "-f", file});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, AllOf(HasSubstr(file + ":1"), HasSubstr("nonsense")));
  EXPECT_FALSE(controller_.applied_request.has_policy());
  result = RunWith({"apply", "-f", "/nonexistent/policy.yaml"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("/nonexistent/policy.yaml"));
  result = RunWith({"apply", "-f", "/dev/zero"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("the policy /dev/zero is larger than a megabyte"));
  result = RunWith({"apply", "-f", testing::TempDir()});
  EXPECT_EQ(result.code, 2) << "a directory is no policy";
}

TEST_F(PolicyCommandTest, TableShowsSettingsThresholdsAndModes) {
  const Result result = RunWith({"get", "policy"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("version 7"), HasSubstr("minimum_dwell"), HasSubstr("1m30s"),
                                HasSubstr("critical"), HasSubstr("enforce")));
}

}  // namespace
}  // namespace truce::cli
