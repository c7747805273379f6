// What operators and schedulers ask and change, over a real port.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_join.h"
#include "src/base/text.h"
#include "tests/controller/serve/running_controller.h"
#include "truce/v1/operator.grpc.pb.h"
#include "truce/v1/scheduler.grpc.pb.h"

namespace truce::controller {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class OperatorTest : public testing::Test {
 protected:
  OperatorTest()
      : agent_(controller_),
        operators_(v1::OperatorService::NewStub(controller_.Channel())),
        schedulers_(v1::SchedulerService::NewStub(controller_.Channel())) {
    agent_.Connect(MakeHello("web-1"));
    agent_.Send(MakeScene());
    desired_ = agent_.ReadDesired();
    agent_.Accept(desired_);
  }
  template <typename Request, typename Response>
  grpc::Status Call(grpc::Status (v1::OperatorService::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    return (operators_.get()->*method)(&context, request, response);
  }

  RunningController controller_;
  TestAgent agent_;
  std::unique_ptr<v1::OperatorService::Stub> operators_;
  std::unique_ptr<v1::SchedulerService::Stub> schedulers_;
  v1::DesiredSet desired_;
};

TEST_F(OperatorTest, ListsWhatIsThere) {
  v1::ListHostsResponse hosts;
  ASSERT_TRUE(Call(&v1::OperatorService::Stub::ListHosts, v1::ListHostsRequest(), &hosts).ok());
  ASSERT_THAT(hosts.hosts(), SizeIs(1));
  EXPECT_TRUE(hosts.hosts(0).connected());
  EXPECT_EQ(hosts.hosts(0).worst_score(), 90);
  v1::ListWorkloadsRequest request;
  request.set_workload("stress");
  v1::ListWorkloadsResponse workloads;
  ASSERT_TRUE(Call(&v1::OperatorService::Stub::ListWorkloads, request, &workloads).ok());
  ASSERT_THAT(workloads.workloads(), SizeIs(1));
  EXPECT_DOUBLE_EQ(workloads.workloads(0).risk(), 0.9);
  EXPECT_THAT(workloads.workloads(0).actions(), SizeIs(1));
  v1::ListPairsResponse pairs;
  ASSERT_TRUE(Call(&v1::OperatorService::Stub::ListPairs, v1::ListPairsRequest(), &pairs).ok());
  ASSERT_THAT(pairs.pairs(), SizeIs(1));
  EXPECT_THAT(pairs.pairs(0).response(), HasSubstr("cpu_pin on 1-3"));
  v1::ListDecisionsResponse decisions;
  ASSERT_TRUE(Call(&v1::OperatorService::Stub::ListDecisions, v1::ListDecisionsRequest(), &decisions).ok());
  ASSERT_THAT(decisions.decisions(), SizeIs(1));
  EXPECT_EQ(decisions.decisions(0).verdict(), "apply");
}

TEST_F(OperatorTest, UnknownAndAmbiguousNamesListCandidates) {
  TestAgent other(controller_);
  other.Connect(MakeHello("web-2"));
  other.Send(MakeScene());
  other.ReadDesired();
  v1::ListHostsRequest unknown;
  unknown.set_host("web");
  v1::ListHostsResponse hosts;
  const auto no_host = Call(&v1::OperatorService::Stub::ListHosts, unknown, &hosts);
  EXPECT_EQ(no_host.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(no_host.error_message(), HasSubstr("web-1, web-2"));
  v1::ExplainRequest request;
  request.set_victim("redis");
  v1::ExplainResponse response;
  const auto ambiguous = Call(&v1::OperatorService::Stub::Explain, request, &response);
  EXPECT_EQ(ambiguous.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(ambiguous.error_message(), HasSubstr("web-1/truce/redis, web-2/truce/redis"));
  request.set_victim("redi");
  EXPECT_THAT(Call(&v1::OperatorService::Stub::Explain, request, &response).error_message(), HasSubstr("did you mean"));
}

TEST_F(OperatorTest, ExplainsInSentencesWithNumbers) {
  v1::ExplainRequest request;
  request.set_victim("redis");
  v1::ExplainResponse response;
  ASSERT_TRUE(Call(&v1::OperatorService::Stub::Explain, request, &response).ok());
  const std::string text = absl::StrJoin(response.sentences(), "\n");
  EXPECT_THAT(text, HasSubstr("truce/redis on web-1 (critical) is hurt by a neighbour."));
  EXPECT_THAT(text, HasSubstr("Suspect truce/stress (best_effort, 2.00 cores): score 90 of 100"));
  EXPECT_THAT(text, HasSubstr("To protect it, truce/stress has cpu_pin on 1-3"));
  EXPECT_THAT(text, HasSubstr("Last decision"));
}

// What a host has no means to do makes no evidence thinner.
TEST_F(OperatorTest, ExplainsWhichSignalsAreMissingAndNotWhichMeans) {
  TestAgent other(controller_);
  v1::Hello hello = MakeHello("web-2");
  for (const char* name : {"pmu", "resctrl"}) {
    v1::MissingCapability* missing = hello.mutable_inventory()->add_missing();
    missing->set_name(name);
    missing->set_reason("it is a virtual machine");
  }
  other.Connect(hello);
  v1::Report report = MakeScene();
  other.Send(report);
  other.ReadDesired();
  v1::ExplainRequest request;
  request.set_host("web-2");
  request.set_victim("redis");
  v1::ExplainResponse response;
  ASSERT_TRUE(Call(&v1::OperatorService::Stub::Explain, request, &response).ok());
  const std::string text = absl::StrJoin(response.sentences(), "\n");
  EXPECT_THAT(text, HasSubstr("The host has no pmu (it is a virtual machine), which makes the evidence thinner"));
  EXPECT_THAT(text, testing::Not(HasSubstr("resctrl")));
}

TEST_F(OperatorTest, ExplainsWithTheBoundsOfTheSlowdownThatAModelExpects) {
  v1::Report report = MakeScene();
  report.mutable_pairs(0)->set_severity_low(0.1);
  report.mutable_pairs(0)->set_severity_high(0.8);
  agent_.Send(report);
  agent_.ReadDesired();
  v1::ExplainRequest request;
  request.set_victim("redis");
  v1::ExplainResponse response;
  ASSERT_TRUE(Call(&v1::OperatorService::Stub::Explain, request, &response).ok());
  EXPECT_THAT(absl::StrJoin(response.sentences(), "\n"),
              HasSubstr("expected slowdown 40 % (10 to 80 %), confidence 0.80"));
}

TEST_F(OperatorTest, ListsApplicationsAndTheirSignatures) {
  v1::Report report = MakeScene();
  report.mutable_workloads(0)->mutable_workload()->set_application("cache");
  *report.mutable_workloads(0)->mutable_signature() = MakeSignature("m1", {0, 1});
  agent_.Send(report);
  agent_.ReadDesired();
  v1::ListApplicationsRequest request;
  v1::ListApplicationsResponse response;
  ASSERT_TRUE(Call(&v1::OperatorService::Stub::ListApplications, request, &response).ok());
  ASSERT_THAT(response.applications(), SizeIs(1));
  EXPECT_EQ(response.applications(0).application(), "cache");
  EXPECT_EQ(response.applications(0).learned().sample_count(), 1u);
  request.set_application("nobody");
  EXPECT_EQ(Call(&v1::OperatorService::Stub::ListApplications, request, &response).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(OperatorTest, HoldAndResumeTakeEffectAtOnceAndAreAudited) {
  v1::HoldRequest hold;
  hold.set_reason("maintenance");
  hold.set_validate_only(true);
  v1::HoldResponse held;
  ASSERT_TRUE(Call(&v1::OperatorService::Stub::Hold, hold, &held).ok());
  EXPECT_EQ(held.released_action_count(), 1u);
  EXPECT_FALSE(controller_.core->ListHosts({})->hosts(0).held()) << "validate_only changes nothing";
  hold.set_validate_only(false);
  ASSERT_TRUE(Call(&v1::OperatorService::Stub::Hold, hold, &held).ok());
  const v1::DesiredSet pushed = agent_.ReadDesired();
  EXPECT_TRUE(pushed.hold());
  EXPECT_THAT(pushed.actions(), IsEmpty());
  EXPECT_GT(pushed.version(), desired_.version());
  v1::ResumeResponse resumed;
  ASSERT_TRUE(Call(&v1::OperatorService::Stub::Resume, v1::ResumeRequest(), &resumed).ok());
  EXPECT_EQ(resumed.resumed_host_count(), 1u);
  EXPECT_FALSE(agent_.ReadDesired().hold());
  EXPECT_EQ(Call(&v1::OperatorService::Stub::Resume, v1::ResumeRequest(), &resumed).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
  std::vector<std::string> kinds;
  const auto events = controller_.core->ListEvents({});
  ASSERT_TRUE(events.ok()) << events.status();
  for (const auto& event : events->events()) kinds.push_back(event.kind());
  EXPECT_THAT(kinds, Contains("hold"));
  EXPECT_THAT(kinds, Contains("resume"));
}

TEST_F(OperatorTest, SetModeReleasesAtOnceAndCountsWhoIsConcerned) {
  v1::SetModeRequest request;
  request.mutable_rule()->set_workload("stress");
  request.mutable_rule()->set_mode(v1::MODE_OBSERVE);
  v1::SetModeResponse response;
  ASSERT_TRUE(Call(&v1::OperatorService::Stub::SetMode, request, &response).ok());
  EXPECT_EQ(response.affected_workload_count(), 1u);
  const v1::DesiredSet pushed = agent_.ReadDesired();
  EXPECT_THAT(pushed.actions(), IsEmpty());
  ASSERT_THAT(pushed.mode_rules(), SizeIs(1));
  EXPECT_EQ(pushed.mode_rules(0).workload(), "truce/stress") << "agents match full names";
  request.mutable_rule()->set_mode(v1::MODE_UNSPECIFIED);
  EXPECT_EQ(Call(&v1::OperatorService::Stub::SetMode, request, &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(OperatorTest, ApplyPolicyChecksDescribesAndReplaces) {
  v1::ApplyPolicyRequest request;
  request.mutable_policy()->set_quota_cut_ratio(2);
  v1::ApplyPolicyResponse response;
  const auto wrong = Call(&v1::OperatorService::Stub::ApplyPolicy, request, &response);
  EXPECT_EQ(wrong.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(wrong.error_message(), HasSubstr("quota_cut_ratio: 2"));
  request.mutable_policy()->set_quota_cut_ratio(0.5);
  ASSERT_TRUE(Call(&v1::OperatorService::Stub::ApplyPolicy, request, &response).ok());
  EXPECT_THAT(response.changes(), Contains("quota_cut_ratio: 0.6 -> 0.5"));
  EXPECT_EQ(controller_.core->GetPolicy().policy().version(), response.policy().version());
  EXPECT_EQ(controller_.core->GetPolicy().policy().quota_cut_ratio(), 0.5);
}

TEST_F(OperatorTest, APolicyThatSaysTheSameKeepsItsVersion) {
  v1::ApplyPolicyRequest request;
  *request.mutable_policy() = controller_.core->GetPolicy().policy();
  request.mutable_policy()->set_floor_cores(0.5);
  v1::ApplyPolicyResponse response;
  ASSERT_TRUE(Call(&v1::OperatorService::Stub::ApplyPolicy, request, &response).ok());
  const uint64_t version = response.policy().version();
  for (const bool validate_only : {true, false}) {
    request.set_validate_only(validate_only);
    ASSERT_TRUE(Call(&v1::OperatorService::Stub::ApplyPolicy, request, &response).ok());
    EXPECT_THAT(response.changes(), IsEmpty());
    EXPECT_EQ(response.policy().version(), version);
    EXPECT_EQ(controller_.core->GetPolicy().policy().version(), version);
  }
}

TEST_F(OperatorTest, SetModeNamesWorkloadsThatAMoreSpecificRuleKeepsElsewhere) {
  v1::SetModeRequest request;
  request.mutable_rule()->set_workload("stress");
  request.mutable_rule()->set_host("web-1");
  request.mutable_rule()->set_mode(v1::MODE_ENFORCE);
  v1::SetModeResponse response;
  ASSERT_TRUE(Call(&v1::OperatorService::Stub::SetMode, request, &response).ok());
  EXPECT_THAT(response.warnings(), IsEmpty());
  request.mutable_rule()->clear_host();
  request.mutable_rule()->set_mode(v1::MODE_OBSERVE);
  for (const bool validate_only : {true, false}) {
    request.set_validate_only(validate_only);
    ASSERT_TRUE(Call(&v1::OperatorService::Stub::SetMode, request, &response).ok());
    EXPECT_EQ(response.affected_workload_count(), 0u);
    EXPECT_THAT(response.warnings(),
                ElementsAre(AllOf(HasSubstr("1 workload keeps another mode because a more specific rule says so: "
                                            "truce/stress on web-1 keeps enforce (host web-1, workload truce/stress)"),
                                  HasSubstr("trucectl get policy -o yaml"), HasSubstr("trucectl apply"))));
  }
  request.mutable_rule()->set_mode(v1::MODE_ENFORCE);
  ASSERT_TRUE(Call(&v1::OperatorService::Stub::SetMode, request, &response).ok());
  EXPECT_THAT(response.warnings(), IsEmpty()) << "both rules say the same";
}

TEST_F(OperatorTest, SetModeNamesFiveSuchWorkloadsAndCountsTheRest) {
  std::vector<std::unique_ptr<TestAgent>> agents;
  for (int i = 2; i <= 7; ++i) {
    agents.push_back(std::make_unique<TestAgent>(controller_));
    agents.back()->Connect(MakeHello(StrCat("web-", i)));
    agents.back()->Send(MakeScene());
    agents.back()->ReadDesired();
  }
  v1::SetModeRequest request;
  request.mutable_rule()->set_workload("stress");
  request.mutable_rule()->set_mode(v1::MODE_ENFORCE);
  v1::SetModeResponse response;
  ASSERT_TRUE(Call(&v1::OperatorService::Stub::SetMode, request, &response).ok());
  request.mutable_rule()->clear_workload();
  request.mutable_rule()->set_mode(v1::MODE_OBSERVE);
  ASSERT_TRUE(Call(&v1::OperatorService::Stub::SetMode, request, &response).ok());
  EXPECT_THAT(response.warnings(), ElementsAre(AllOf(HasSubstr("7 workloads keep"), HasSubstr("on web-5 keeps"),
                                                     HasSubstr(", and 2 more;"), Not(HasSubstr("on web-6")))));
}

TEST_F(OperatorTest, PlacesFromLiveStateAndRemembersRequests) {
  TestAgent other(controller_);
  other.Connect(MakeHello("web-2"));
  other.Send(v1::Report());
  other.ReadDesired();
  v1::PlaceRequest request;
  request.mutable_workload()->set_cpu_cores(3);
  request.mutable_workload()->set_workload_class(v1::WORKLOAD_CLASS_STANDARD);
  request.set_request_id("r1");
  v1::PlaceResponse response;
  const auto place = [&] {
    grpc::ClientContext context;
    return schedulers_->Place(&context, request, &response);
  };
  ASSERT_TRUE(place().ok());
  EXPECT_EQ(response.chosen().host(), "web-2") << "web-1 has 1.2 of 4 cores left";
  ASSERT_TRUE(place().ok()) << "the same request, the same answer";
  EXPECT_EQ(response.chosen().host(), "web-2");
  request.set_request_id("r2");
  const auto full = place();
  EXPECT_EQ(full.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << "the first demand is accounted for";
  EXPECT_THAT(full.error_message(), HasSubstr("no host fits"));
  controller_.clock.Advance(absl::Seconds(61));
  EXPECT_TRUE(place().ok()) << "by then reports show it";
}

}  // namespace
}  // namespace truce::controller
