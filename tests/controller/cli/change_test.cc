// The changing commands: what they ask of the controller, and that --dry-run asks for validation only.
#include <gmock/gmock.h>

#include "tests/controller/cli/fixture.h"

namespace truce::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

using ChangeTest = CliTest;

TEST_F(ChangeTest, SetModeSendsTheRule) {
  controller_.mode.set_affected_workload_count(3);
  controller_.mode.add_capped_hosts("db");
  const Result result = RunWith({"set", "mode", "enforce", "--class", "best_effort", "--host", "web-17"});
  EXPECT_EQ(result.code, 0) << result.err;
  const v1::ModeRule& rule = controller_.mode_request.rule();
  EXPECT_EQ(rule.mode(), v1::MODE_ENFORCE);
  EXPECT_EQ(rule.workload_class(), v1::WORKLOAD_CLASS_BEST_EFFORT);
  EXPECT_EQ(rule.host(), "web-17");
  EXPECT_EQ(rule.workload(), "");
  EXPECT_FALSE(controller_.mode_request.validate_only());
  EXPECT_EQ(result.out, "class best_effort on host web-17: mode enforce; 3 workloads change\n");
  EXPECT_THAT(result.err, HasSubstr("not followed by db"));
}

TEST_F(ChangeTest, SetModeOfTheFleetInJson) {
  const Result result = RunWith({"set", "mode", "observe", "--dry-run", "-o", "json"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(controller_.mode_request.validate_only());
  EXPECT_THAT(result.out, HasSubstr("\"affected_workload_count\": 0"));
}

TEST_F(ChangeTest, HoldAndResume) {
  controller_.hold.set_released_action_count(1);
  Result result = RunWith({"hold", "web-17", "--reason", "paging"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(controller_.hold_request.host(), "web-17");
  EXPECT_EQ(controller_.hold_request.reason(), "paging");
  EXPECT_EQ(result.out,
            "web-17 is on hold: 1 action is being restored and none is taken until: trucectl resume web-17\n");
  result = RunWith({"hold", "--dry-run"});
  EXPECT_TRUE(controller_.hold_request.validate_only());
  EXPECT_EQ(controller_.hold_request.host(), "");
  EXPECT_THAT(result.out, HasSubstr("dry run, nothing was changed; without it: the fleet is on hold"));
  controller_.resume.set_resumed_host_count(2);
  result = RunWith({"resume"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "2 hosts resume\n");
  EXPECT_FALSE(controller_.resume_request.validate_only());
}

TEST_F(ChangeTest, WarningsGoToTheErrorStreamAndTheChangeIsDone) {
  const std::string warning = "it is in force but could not be stored";
  controller_.mode.add_warnings(warning);
  controller_.hold.add_warnings(warning);
  controller_.resume.add_warnings(warning);
  controller_.applied.add_warnings(warning);
  input_ = "floor_cores: 0.2\n";
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"set", "mode", "observe"},
                                                    {"hold"},
                                                    {"hold", "-o", "json"},
                                                    {"resume"},
                                                    {"apply", "-f", "-"}}) {
    SCOPED_TRACE(testing::PrintToString(arguments));
    const Result result = RunWith(arguments);
    EXPECT_EQ(result.code, 0);
    EXPECT_EQ(result.err, "trucectl: warning: " + warning + "\n");
    EXPECT_NE(result.out, "");
    EXPECT_THAT(result.out, Not(HasSubstr("trucectl: warning")));
  }
  controller_.hold.set_warnings(0, "disk \x1b[2J full");
  EXPECT_THAT(RunWith({"hold"}).err, AllOf(HasSubstr("full"), Not(HasSubstr("\x1b")))) << "no orders to the terminal";
}

// `trucectl hold "$HOST"` with HOST unset must not come to mean the fleet.
TEST_F(ChangeTest, AnEmptyNameIsAUsageErrorAndNothingIsAsked) {
  const auto refused = [this](const std::vector<std::string>& arguments) {
    const Result result = RunWith(arguments);
    EXPECT_EQ(result.code, 2) << testing::PrintToString(arguments);
    EXPECT_EQ(result.out, "") << testing::PrintToString(arguments);
    return result.err;
  };
  EXPECT_THAT(refused({"hold", ""}), HasSubstr("HOST is empty"));
  EXPECT_THAT(refused({"resume", ""}), HasSubstr("HOST is empty"));
  EXPECT_THAT(refused({"set", "mode", "enforce", "--host", ""}), HasSubstr("--host is empty"));
  EXPECT_THAT(refused({"set", "mode", "enforce", "--workload", ""}), HasSubstr("--workload is empty"));
  EXPECT_THAT(refused({"get", "hosts", ""}), HasSubstr("NAME is empty"));
  EXPECT_THAT(refused({"get", "workloads", "redis", "--host", ""}), HasSubstr("--host is empty"));
  EXPECT_THAT(refused({"describe", "workload", ""}), HasSubstr("NAME is empty"));
  EXPECT_THAT(refused({"explain", "redis", ""}), HasSubstr("AGGRESSOR is empty"));
  // The next word is not its value: this would hold the fleet for the reason "web-17".
  EXPECT_THAT(refused({"hold", "--reason=", "web-17"}), HasSubstr("--reason is empty"));
  EXPECT_THAT(refused({"set", "mode", "enforce", "--host=", "--dry-run"}), HasSubstr("--host is empty"));
  EXPECT_EQ(controller_.calls, 0);
}

TEST_F(ChangeTest, RefusalIsToldAsTheControllerSaidIt) {
  controller_.failure =
      grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "the caller is agent web-17; this call needs operator");
  const Result result = RunWith({"hold"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, "trucectl: the caller is agent web-17; this call needs operator\n");
}

}  // namespace
}  // namespace truce::cli
