// Agents' streams against a controller in this process, over a real port.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "src/rpc/certificates.h"
#include "src/rpc/security.h"
#include "tests/controller/serve/running_controller.h"
#include "truce/v1/operator.grpc.pb.h"
#include "truce/v1/scheduler.grpc.pb.h"

namespace truce::controller {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

uint64_t Refused(RunningController& controller, const std::string& reason) {
  const auto counts = controller.core->Metrics().counts.refused_by_reason;
  const auto it = counts.find(reason);
  return it == counts.end() ? 0 : it->second;
}

TEST(SessionTest, HelloReportDesiredSetAcknowledgement) {
  RunningController controller;
  TestAgent agent(controller);
  agent.Send(MakeHello("web-1"));
  const v1::ConnectResponse welcome = agent.Read();
  ASSERT_TRUE(welcome.has_welcome());
  const v1::DesiredSet first = agent.ReadDesired();
  EXPECT_EQ(first.version(), 1u);
  EXPECT_THAT(first.actions(), IsEmpty());

  agent.Send(MakeScene());
  EXPECT_EQ(agent.Read().acknowledgement().report_sequence(), 1u);
  const v1::DesiredSet second = agent.ReadDesired();
  EXPECT_EQ(second.version(), 2u);
  EXPECT_NE(second.nonce(), first.nonce());
  ASSERT_THAT(second.actions(), SizeIs(1));
  EXPECT_EQ(second.actions(0).cpus(), "1-3");
  EXPECT_EQ(second.actions(0).time_to_live().seconds(), 30);

  // The same again: leases are renewed, the version stays, the nonce does not.
  agent.Accept(second);
  agent.Send(MakeScene(30));
  const v1::DesiredSet third = agent.ReadDesired();
  EXPECT_EQ(third.version(), 2u);
  EXPECT_NE(third.nonce(), second.nonce());
  EXPECT_THAT(third.actions(), SizeIs(1));
  const auto actions = controller.core->ListActions({});
  ASSERT_TRUE(actions.ok());
  EXPECT_EQ(actions->actions(0).state(), v1::ACTION_STATE_APPLIED);
}

TEST(SessionTest, StreamsThatBeginWronglyAreClosedWithAClearStatus) {
  RunningController controller;
  v1::Hello old = MakeHello("web-1");
  old.set_protocol_version(99);
  TestAgent wrong_version(controller);
  wrong_version.Send(old);
  const grpc::Status version = wrong_version.Finish();
  EXPECT_EQ(version.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(version.error_message(), HasSubstr("protocol version 99"));
  TestAgent no_hello(controller);
  no_hello.Send(MakeScene());
  EXPECT_EQ(no_hello.Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  TestAgent twice(controller);
  twice.Connect(MakeHello("web-1"));
  twice.Send(MakeHello("web-1"));
  EXPECT_EQ(twice.Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST(SessionTest, NonsenseIsRefusedAndTheSessionSurvives) {
  RunningController controller;
  TestAgent agent(controller);
  agent.Connect(MakeHello("web-1"));
  agent.Send(MakeScene(1e9));
  EXPECT_THAT(agent.ReadDesired().actions(), IsEmpty());
  EXPECT_EQ(Refused(controller, "out_of_range"), 1u);
  agent.Send(MakeScene(90));
  EXPECT_THAT(agent.ReadDesired().actions(), SizeIs(1));
}

v1::Report LargeReport(int bytes) {
  v1::Report report = MakeScene();
  report.mutable_workloads(0)->set_diagnosis_detail(std::string(static_cast<size_t>(bytes), 'x'));
  return report;
}

TEST(SessionTest, AnOversizedMessageIsRefusedAndAMonstrousOneEndsItsStreamAndNoOther) {
  RunningController controller(64 << 10);
  TestAgent good(controller);
  good.Connect(MakeHello("web-2"));
  TestAgent bad(controller);
  bad.Connect(MakeHello("web-1"));
  bad.Send(LargeReport(100 << 10));
  EXPECT_EQ(bad.Read().acknowledgement().report_sequence(), 1u) << "the session survives";
  EXPECT_EQ(Refused(controller, "oversized"), 1u);
  bad.Send(LargeReport(200 << 10));
  EXPECT_FALSE(bad.Finish().ok());
  good.Send(MakeScene());
  EXPECT_THAT(good.ReadDesired().actions(), SizeIs(1));
}

TEST(SessionTest, AnAgentMustBeTheHostOfItsCertificate) {
  std::string pattern = (std::filesystem::temp_directory_path() / "truce-pki-XXXXXX").string();
  const std::string pki = mkdtemp(pattern.data());
  ASSERT_TRUE(rpc::CreateAuthority(pki).ok());
  ASSERT_TRUE(rpc::IssueCertificate(pki, {.role = "controller", .name = "main", .addresses = {"127.0.0.1"}}).ok());
  ASSERT_TRUE(rpc::IssueCertificate(pki, {.role = "agent", .name = "web-1"}).ok());
  ASSERT_TRUE(rpc::IssueCertificate(pki, {.role = "operator", .name = "alice"}).ok());
  GrpcServerOptions security;
  security.ca_file = pki + "/ca.crt";
  security.certificate_file = pki + "/controller-main.crt";
  security.key_file = pki + "/controller-main.key";
  {
    RunningController controller(16 << 20, &security);
    const auto channel = [&](const std::string& who) {
      const auto credentials = rpc::ClientCredentials(
          {false, pki + "/ca.crt", pki + "/" + who + ".crt", pki + "/" + who + ".key"}, controller.server().address());
      EXPECT_TRUE(credentials.ok()) << credentials.status();
      return grpc::CreateChannel(controller.server().address(), *credentials);
    };
    TestAgent right(channel("agent-web-1"));
    right.Connect(MakeHello("web-1"));
    TestAgent wrong(channel("agent-web-1"));
    wrong.Send(MakeHello("web-9"));
    const grpc::Status claimed = wrong.Finish();
    EXPECT_EQ(claimed.error_code(), grpc::StatusCode::PERMISSION_DENIED);
    EXPECT_THAT(claimed.error_message(), HasSubstr("for host \"web-1\" and the agent says that it is host \"web-9\""));
    TestAgent no_agent(channel("operator-alice"));
    EXPECT_EQ(no_agent.Finish().error_code(), grpc::StatusCode::PERMISSION_DENIED);
    grpc::ClientContext context;
    v1::ListHostsResponse hosts;
    const auto as_agent = v1::OperatorService::NewStub(channel("agent-web-1"));
    EXPECT_EQ(as_agent->ListHosts(&context, {}, &hosts).error_code(), grpc::StatusCode::PERMISSION_DENIED);
    // A stream that is cut while it is being refused ends once.
    const auto advice = v1::SchedulerService::NewStub(channel("agent-web-1"));
    for (int i = 0; i < 300; ++i) {
      grpc::ClientContext watching;
      const auto stream = advice->WatchAdvice(&watching, {});
      if (i % 3 != 0) watching.TryCancel();
      v1::WatchAdviceResponse response;
      EXPECT_FALSE(stream->Read(&response));
      const auto ended = stream->Finish().error_code();
      EXPECT_TRUE(ended == grpc::StatusCode::PERMISSION_DENIED || ended == grpc::StatusCode::CANCELLED) << ended;
    }
  }
  std::filesystem::remove_all(pki);
}

TEST(SessionTest, ANewerConnectionOfAHostTakesThePlaceOfTheOlder) {
  RunningController controller;
  TestAgent older(controller);
  older.Connect(MakeHello("web-1"));
  TestAgent newer(controller);
  newer.Connect(MakeHello("web-1"));
  const grpc::Status status = older.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_THAT(status.error_message(), HasSubstr("a newer connection of host web-1"));
  newer.Send(MakeScene());
  EXPECT_THAT(newer.ReadDesired().actions(), SizeIs(1));
}

TEST(SessionTest, AControllerThatRestartedGoesOnWithWhatTheAgentHolds) {
  v1::DesiredSet before;
  {
    RunningController controller;
    TestAgent agent(controller);
    agent.Connect(MakeHello("web-1"));
    agent.Send(MakeScene());
    before = agent.ReadDesired();
  }
  RunningController controller;
  TestAgent agent(controller);
  v1::Hello hello = MakeHello("web-1");
  hello.set_desired_set_version(before.version() + 40);
  auto* held = hello.add_held();
  *held->mutable_action() = before.actions(0);
  SetTime(controller.clock.Now(), held->mutable_applied_at());
  const v1::DesiredSet after = agent.Connect(hello);
  EXPECT_EQ(after.version(), before.version() + 41) << "a version that the agent saw before is never used again";
  ASSERT_THAT(after.actions(), SizeIs(1));
  EXPECT_EQ(after.actions(0).lease_id(), before.actions(0).lease_id());
}

// What the controller knows of the host is older than the connection.
TEST(SessionTest, AnAgentThatComesBackIsAskedForNothingNewBeforeItsFirstReport) {
  RunningController controller;
  v1::DesiredSet wanted;
  {
    TestAgent agent(controller);
    agent.Connect(MakeHello("web-1"));
    agent.Send(MakeScene());
    wanted = agent.ReadDesired();
    ASSERT_THAT(wanted.actions(), SizeIs(1));
  }
  // It restored everything when it stopped, and so holds nothing.
  TestAgent agent(controller);
  EXPECT_THAT(agent.Connect(MakeHello("web-1")).actions(), IsEmpty());
  agent.Send(MakeScene());
  const v1::DesiredSet after = agent.ReadDesired();
  ASSERT_THAT(after.actions(), SizeIs(1)) << "the report shows that it is still needed";
  EXPECT_EQ(after.actions(0).lease_id(), wanted.actions(0).lease_id());
}

TEST(SessionTest, ReceiptsAreAcknowledgedOnceStoredAndARepeatIsNotCountedTwice) {
  RunningController controller;
  TestAgent agent(controller);
  agent.Connect(MakeHello("web-1"));
  v1::ReceiptBatch batch;
  batch.set_batch_id(17);
  batch.add_receipts()->mutable_action()->set_lease_id("run-web-1-1");
  batch.mutable_receipts(0)->set_outcome(v1::RECEIPT_OUTCOME_RELEASED);
  agent.Send(batch);
  EXPECT_EQ(agent.ReadAcknowledgedBatch(), 17u);
  agent.Send(batch);
  EXPECT_EQ(agent.ReadAcknowledgedBatch(), 17u);
  EXPECT_THAT(controller.core->ListReceipts({})->receipts(), SizeIs(1));
  EXPECT_EQ(controller.core->Metrics().counts.receipts_by_outcome.at("released"), 1u);
}

TEST(SessionTest, AHostThatFallsSilentIsDisconnected) {
  RunningController controller;
  TestAgent silent(controller);
  silent.Connect(MakeHello("web-1"));
  controller.clock.Advance(absl::Seconds(16));
  controller.core->Tick();
  EXPECT_EQ(silent.Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_FALSE(controller.core->ListHosts({})->hosts(0).connected());
}

TEST(SessionTest, StoppingEndsEveryStreamAtOnce) {
  RunningController controller;
  TestAgent agent(controller);
  agent.Connect(MakeHello("web-1"));
  const absl::Time start = absl::Now();
  controller.server().Stop(absl::Seconds(4));
  EXPECT_LT(absl::Now() - start, absl::Seconds(3)) << "no stream is left to be cut at the deadline";
  EXPECT_EQ(agent.Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace truce::controller
