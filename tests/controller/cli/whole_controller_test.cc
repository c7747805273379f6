// trucectl against a whole controller with two hosts: what both together make of names, suspects and holds.
#include <gmock/gmock.h>

#include "tests/controller/cli/fixture.h"
#include "tests/controller/serve/running_controller.h"

namespace truce::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class WholeControllerTest : public CliTest {
 protected:
  WholeControllerTest() : first_(whole_), second_(whole_) {}
  void SetUp() override {
    v1::Report report = controller::MakeScene();
    controller::AddWorkload({"truce/quiet"}, &report);
    Report("web-1", report, first_);
    Report("web-2", controller::MakeScene(), second_);
  }
  static void Report(const std::string& host, const v1::Report& report, controller::TestAgent& agent) {
    agent.Connect(controller::MakeHello(host));
    agent.Send(report);
    agent.ReadDesired();
  }
  Result Ask(std::vector<std::string> arguments) {
    for (const std::string& flag : {std::string("--server"), whole_.server().address(), std::string("--plaintext")}) {
      arguments.push_back(flag);
    }
    return RunAlone(arguments);
  }

  controller::RunningController whole_;
  controller::TestAgent first_;
  controller::TestAgent second_;
};

TEST_F(WholeControllerTest, OneWhoIsNotSuspectedIsSaidToBeSuchAndWhoIs) {
  Result result = Ask({"explain", "redis", "quiet", "--host", "web-1"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("truce/quiet is not suspected of slowing it: the host reports no score of "
                                          "that pair. Others are: truce/stress (score 90)."),
                                Not(HasSubstr("Nobody on the host is suspected"))));
  EXPECT_THAT(Ask({"explain", "redis", "stress", "--host", "web-1"}).out, Not(HasSubstr("not suspected")));
  EXPECT_THAT(Ask({"explain", "stress", "quiet", "--host", "web-1"}).out, HasSubstr("Nobody on the host is suspected"));
  result = Ask({"explain", "redis", "truce/redis", "--host", "web-1"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("\"truce/redis\" is the victim itself"));
}

TEST_F(WholeControllerTest, CandidatesAreTakenAsErrorsWriteThem) {
  Result result = Ask({"explain", "truce/redis"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr("web-1/truce/redis, web-2/truce/redis"), HasSubstr("--host")));
  for (const char* name : {"web-2/truce/redis", "web-2/redis"}) {
    SCOPED_TRACE(name);
    result = Ask({"explain", name, "web-2/truce/stress"});
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_THAT(result.out, AllOf(HasSubstr("truce/redis on web-2"), HasSubstr("Suspect truce/stress")));
    for (const std::vector<std::string>& arguments : {std::vector<std::string>{"describe", "workload", name},
                                                      {"get", "workloads", name},
                                                      {"get", "pairs", name},
                                                      {"get", "decisions", name, "-o", "wide"}}) {
      result = Ask(arguments);
      EXPECT_EQ(result.code, 0) << result.err;
      EXPECT_THAT(result.out, AllOf(HasSubstr("web-2"), Not(HasSubstr("web-1")))) << testing::PrintToString(arguments);
    }
  }
  EXPECT_THAT(Ask({"migrate", "web-2/truce/stress", "--dry-run"}).err,
              AllOf(HasSubstr("truce/stress"), Not(HasSubstr("no workload")), Not(HasSubstr("may be any of"))));
  EXPECT_THAT(Ask({"get", "receipts", "web-2/truce/redis"}).err, Not(HasSubstr("no workload")));
  EXPECT_THAT(Ask({"explain", "web-2/nobody"}).err, HasSubstr("no workload on host web-2 is named \"nobody\""));
  EXPECT_THAT(Ask({"explain", "web-2/redis", "--host", "web-1"}).err, HasSubstr("no workload on host web-1"));
}

// The host of a rule must not be lost with the name's first part: the rule would hold everywhere.
TEST_F(WholeControllerTest, TheModeOfACandidateIsSetOnItsHostAlone) {
  const Result result = Ask({"set", "mode", "observe", "--workload", "web-2/truce/stress"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("1 workload changes"));
  EXPECT_THAT(Ask({"get", "policy", "-o", "json"}).out,
              AllOf(HasSubstr("\"workload\": \"truce/stress\""), HasSubstr("\"host\": \"web-2\"")));
}

TEST_F(WholeControllerTest, AFullNameThatBeginsLikeAHostIsAName) {
  controller::TestAgent third(whole_);
  v1::Report report;
  controller::AddWorkload({"redis", v1::WORKLOAD_CLASS_CRITICAL}, &report);
  controller::AddWorkload({"stress", v1::WORKLOAD_CLASS_BEST_EFFORT, 2}, &report);
  controller::AddPair("redis", "stress", 90, &report);
  Report("truce", report, third);
  EXPECT_THAT(Ask({"explain", "truce/redis"}).err, HasSubstr("web-1/truce/redis, web-2/truce/redis"));
  EXPECT_THAT(Ask({"explain", "truce/redis", "--host", "truce"}).out, HasSubstr("redis on truce"));
}

TEST_F(WholeControllerTest, AHostThatStaysOnHoldWithTheFleetIsSaidToStay) {
  EXPECT_EQ(Ask({"hold", "web-1"}).code, 0);
  EXPECT_EQ(Ask({"hold"}).code, 0);
  Result result = Ask({"resume", "web-1"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "the hold of web-1 itself is ended; no host resumes yet\n");
  EXPECT_THAT(result.err, HasSubstr("web-1 stays on hold with the fleet; trucectl resume ends that"));
  result = Ask({"resume"});
  EXPECT_EQ(result.out, "2 hosts resume\n");
  EXPECT_EQ(result.err, "");
}

}  // namespace
}  // namespace truce::cli
