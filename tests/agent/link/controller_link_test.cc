// The agent's side of the stream, against a controller in this process. Every wait ends when the thing waited for
// happens; nothing sleeps for luck.
#include "agent/link/controller_link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/time/clock.h"
#include "tests/agent/link/fake_controller.h"

namespace truce::agent {
namespace {

using testing::HasSubstr;

using Stream = FakeController::Stream;
constexpr auto kHello = v1::ConnectRequest::kHello;
constexpr auto kReport = v1::ConnectRequest::kReport;
constexpr auto kReceipts = v1::ConnectRequest::kReceipts;
constexpr auto kResult = v1::ConnectRequest::kDesiredSetResult;

LinkOptions Options(const std::string& address) {
  LinkOptions options;
  options.address = address;
  options.plaintext = true;
  options.first_backoff = absl::Milliseconds(10);
  options.longest_backoff = absl::Milliseconds(50);
  return options;
}

v1::Hello HelloOf(uint64_t version) {
  v1::Hello hello;
  hello.set_protocol_version(1);
  hello.set_desired_set_version(version);
  return hello;
}

v1::Report ReportWith(double cores) {
  v1::Report report;
  report.mutable_cost()->set_cpu_cores(cores);
  return report;
}

std::vector<v1::Receipt> ReceiptFor(const std::string& lease) {
  v1::Receipt receipt;
  receipt.mutable_action()->set_lease_id(lease);
  return {receipt};
}

v1::ConnectResponse DesiredSetOf(uint64_t version, int actions = 0) {
  v1::ConnectResponse response;
  v1::DesiredSet& desired = *response.mutable_desired_set();
  desired.set_version(version);
  desired.set_nonce(StrCat("nonce-", version));
  for (int i = 0; i < actions; ++i) desired.add_actions()->set_lease_id(StrCat(i));
  return response;
}

// Polls something that another thread makes true. The limit is for a broken build, not for a slow one.
template <typename F>
bool Eventually(F&& condition) {
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(1));
  }
  return true;
}

class ControllerLinkTest : public testing::Test {
 protected:
  void Start(LinkOptions options) { link_ = StartControllerLink(options, HelloOf(1)); }
  void Start() { Start(Options(controller_->address())); }
  // Accepts the agent, takes its hello and welcomes it.
  std::unique_ptr<Stream> Greet() {
    auto stream = controller_->Accept();
    hello_ = stream->Expect(kHello).hello();
    stream->Welcome();
    EXPECT_TRUE(Eventually([&] { return link_->status().connected; }));
    return stream;
  }
  std::optional<v1::DesiredSet> AwaitDesiredSet() {
    std::optional<v1::DesiredSet> desired;
    EXPECT_TRUE(Eventually([&] { return (desired = link_->TakeDesiredSet()).has_value(); }));
    return desired;
  }

  std::unique_ptr<FakeController> controller_ = std::make_unique<FakeController>();
  std::unique_ptr<ControllerLink> link_;
  v1::Hello hello_;
};

TEST_F(ControllerLinkTest, SaysHelloFirstThenReportsInOrder) {
  Start();
  for (int i = 1; i <= 3; ++i) link_->Offer(ReportWith(i));
  auto stream = Greet();
  EXPECT_EQ(hello_.desired_set_version(), 1u);
  for (int i = 1; i <= 3; ++i) {
    const v1::Report report = stream->Expect(kReport).report();
    EXPECT_EQ(report.sequence(), static_cast<uint64_t>(i));
    EXPECT_EQ(report.cost().cpu_cores(), i);
    EXPECT_EQ(report.reports_dropped(), 0u);
  }
  const LinkStatus status = link_->status();
  EXPECT_TRUE(status.connected);
  EXPECT_EQ(status.connects, 1u);
  EXPECT_EQ(status.reports_sent, 3u);
  EXPECT_EQ(status.last_error, "");
}

TEST_F(ControllerLinkTest, TheSpoolDropsTheOldestAndSaysHowMany) {
  const int port = controller_->port();
  controller_.reset();
  LinkOptions options = Options(StrCat("127.0.0.1:", port));
  options.spooled_reports = 2;
  Start(options);
  for (int i = 1; i <= 5; ++i) link_->Offer(ReportWith(i));
  EXPECT_EQ(link_->status().reports_dropped, 3u);
  EXPECT_FALSE(link_->status().connected);

  controller_ = std::make_unique<FakeController>(port);
  auto stream = Greet();
  const v1::Report first = stream->Expect(kReport).report();
  EXPECT_EQ(first.cost().cpu_cores(), 4);
  EXPECT_EQ(first.reports_dropped(), 3u);
  const v1::Report second = stream->Expect(kReport).report();
  EXPECT_EQ(second.cost().cpu_cores(), 5);
  EXPECT_EQ(second.reports_dropped(), 0u) << "told once";
}

TEST_F(ControllerLinkTest, TheReceiptSpoolIsBoundedToo) {
  controller_.reset();
  LinkOptions options = Options("127.0.0.1:1");
  options.spooled_receipts = 2;
  Start(options);
  for (const char* lease : {"a", "b", "c"}) link_->OfferReceipts(ReceiptFor(lease));
  EXPECT_EQ(link_->status().receipts_dropped, 1u);
  link_->OfferReceipts({});
  EXPECT_EQ(link_->status().receipts_dropped, 1u) << "nothing takes no room";
}

TEST_F(ControllerLinkTest, ReceiptsAreSentAgainUntilTheyAreAcknowledged) {
  Start();
  auto stream = Greet();
  link_->OfferReceipts(ReceiptFor("a"));
  link_->OfferReceipts(ReceiptFor("b"));
  const v1::ReceiptBatch a = stream->Expect(kReceipts).receipts();
  const v1::ReceiptBatch b = stream->Expect(kReceipts).receipts();
  EXPECT_NE(a.batch_id(), b.batch_id());
  stream->Acknowledge(a.batch_id());
  // The answer to a desired set that follows the acknowledgement shows that the agent has read it.
  stream->Write(DesiredSetOf(7));
  AwaitDesiredSet();
  stream->Close();

  auto again = Greet();
  const v1::ReceiptBatch repeated = again->Expect(kReceipts).receipts();
  EXPECT_EQ(repeated.batch_id(), b.batch_id()) << "the same batch, so that it is not counted twice";
  EXPECT_EQ(repeated.receipts(0).action().lease_id(), "b");
  link_->Offer(ReportWith(9));
  EXPECT_EQ(again->Expect(kReport).report().cost().cpu_cores(), 9) << "and nothing else";
}

TEST_F(ControllerLinkTest, ReceiptsThatAreNotAcknowledgedGoAgainOnTheSameStream) {
  LinkOptions options = Options(controller_->address());
  options.resend_after = absl::Milliseconds(20);
  Start(options);
  auto stream = Greet();
  link_->OfferReceipts(ReceiptFor("a"));
  const v1::ReceiptBatch first = stream->Expect(kReceipts).receipts();
  // The controller could not store it and says nothing; no report wakes the link either.
  const v1::ReceiptBatch again = stream->Expect(kReceipts).receipts();
  EXPECT_EQ(again.batch_id(), first.batch_id()) << "the same batch, so that it is not counted twice";
  ASSERT_EQ(again.receipts_size(), 1);
  EXPECT_EQ(again.receipts(0).action().lease_id(), "a");
  EXPECT_EQ(link_->status().connects, 1u);
  EXPECT_EQ(link_->status().receipts_dropped, 0u);
}

TEST_F(ControllerLinkTest, ReceiptsThatAreNotAcknowledgedGoAgainAlsoBetweenReports) {
  LinkOptions options = Options(controller_->address());
  options.resend_after = absl::Milliseconds(20);
  // There is always a report to send, so the link never waits.
  options.spooled_reports = 10000;
  Start(options);
  auto stream = Greet();
  link_->OfferReceipts(ReceiptFor("a"));
  const uint64_t id = stream->Expect(kReceipts).receipts().batch_id();
  EXPECT_TRUE(Eventually([&] {
    for (int i = 0; i < 10; ++i) link_->Offer(ReportWith(1));
    const auto request = stream->Read();
    return request.has_value() && request->has_receipts() && request->receipts().batch_id() == id;
  }));
}

TEST_F(ControllerLinkTest, OnlyTheNewestDesiredSetIsTaken) {
  Start();
  auto stream = Greet();
  for (uint64_t version = 1; version <= 3; ++version) stream->Write(DesiredSetOf(version));
  // Refused, and so answered: by then the three before it have been read.
  stream->Write(DesiredSetOf(4, 4097));
  stream->Expect(kResult);
  const auto desired = link_->TakeDesiredSet();
  ASSERT_TRUE(desired.has_value());
  EXPECT_EQ(desired->version(), 3u);
  EXPECT_EQ(link_->TakeDesiredSet(), std::nullopt);
}

TEST_F(ControllerLinkTest, AnAnswerGoesUpTheStream) {
  Start();
  auto stream = Greet();
  stream->Write(DesiredSetOf(5, 1));
  const auto desired = AwaitDesiredSet();
  v1::DesiredSetResult result;
  result.set_version(desired->version());
  result.set_nonce(desired->nonce());
  result.set_accepted(true);
  link_->Answer(result);
  const v1::DesiredSetResult answer = stream->Expect(kResult).desired_set_result();
  EXPECT_EQ(answer.nonce(), "nonce-5");
  EXPECT_TRUE(answer.accepted());
}

TEST_F(ControllerLinkTest, AnOversizedSetIsRefusedWithTheReasonAndTheStreamGoesOn) {
  Start();
  auto stream = Greet();
  stream->Write(DesiredSetOf(2, 4097));
  const v1::DesiredSetResult refusal = stream->Expect(kResult).desired_set_result();
  EXPECT_EQ(refusal.version(), 2u);
  EXPECT_EQ(refusal.nonce(), "nonce-2");
  EXPECT_FALSE(refusal.accepted());
  EXPECT_THAT(refusal.reason(), HasSubstr("4097"));
  EXPECT_EQ(link_->TakeDesiredSet(), std::nullopt) << "what was refused is not applied";
  EXPECT_EQ(link_->status().messages_refused, 1u);
  stream->Write(DesiredSetOf(3, 4096));
  EXPECT_EQ(AwaitDesiredSet()->version(), 3u);
}

TEST_F(ControllerLinkTest, AMessageOfANewerControllerIsCountedAndSkipped) {
  Start();
  auto stream = Greet();
  stream->Write(v1::ConnectResponse());
  stream->Write(DesiredSetOf(3));
  EXPECT_EQ(AwaitDesiredSet()->version(), 3u);
  EXPECT_EQ(link_->status().messages_refused, 1u);
}

TEST_F(ControllerLinkTest, AControllerThatGoesAndComesBackFindsTheAgentAgain) {
  Start();
  auto stream = Greet();
  const int port = controller_->port();
  stream.reset();
  controller_.reset();
  ASSERT_TRUE(Eventually([&] { return !link_->status().connected; }));
  ASSERT_TRUE(Eventually([&] { return !link_->status().last_error.empty(); }));
  link_->SetHello(HelloOf(42));
  link_->Offer(ReportWith(7));

  controller_ = std::make_unique<FakeController>(port);
  stream = Greet();
  EXPECT_EQ(hello_.desired_set_version(), 42u) << "says what it holds now";
  EXPECT_EQ(stream->Expect(kReport).report().cost().cpu_cores(), 7) << "what came meanwhile is not lost";
  EXPECT_EQ(link_->status().connects, 2u);
}

TEST_F(ControllerLinkTest, AnAnswerToAStreamThatEndedIsNotSentOnTheNext) {
  Start();
  auto stream = Greet();
  stream->Close();
  ASSERT_TRUE(Eventually([&] { return !link_->status().connected; }));
  v1::DesiredSetResult stale;
  stale.set_nonce("stale");
  link_->Answer(stale);
  stream = Greet();
  link_->Offer(ReportWith(1));
  stream->Expect(kReport);
}

TEST_F(ControllerLinkTest, StopReturnsPromptlyWhileConnectedWhileConnectingAndWhileWaiting) {
  const absl::Time before = absl::Now();
  Start();
  auto stream = Greet();
  link_->Stop(absl::Seconds(60));  // nothing to deliver: does not use up its limit
  EXPECT_EQ(stream->Read(), std::nullopt) << "the stream is closed";
  link_->Stop(absl::Seconds(60));
  stream.reset();

  controller_.reset();
  LinkOptions options = Options("127.0.0.1:1");
  Start(options);
  link_->Stop(absl::Seconds(60));
  options.plaintext = false;
  options.ca_file = "/nowhere/ca.crt";
  options.first_backoff = options.longest_backoff = absl::Hours(1);
  Start(options);
  ASSERT_TRUE(Eventually([&] { return !link_->status().last_error.empty(); }));
  EXPECT_THAT(link_->status().last_error, HasSubstr("/nowhere/ca.crt")) << "says what is missing";
  link_->Stop(absl::Seconds(60));
  EXPECT_LT(absl::Now() - before, absl::Seconds(50));
}

TEST_F(ControllerLinkTest, StopDeliversTheLastReceiptsFirst) {
  Start();
  auto stream = Greet();
  link_->OfferReceipts(ReceiptFor("last"));
  std::thread stopper([this] { link_->Stop(absl::Seconds(60)); });
  const v1::ReceiptBatch batch = stream->Expect(kReceipts).receipts();
  EXPECT_EQ(batch.receipts(0).action().lease_id(), "last");
  stream->Acknowledge(batch.batch_id());
  stopper.join();
  EXPECT_EQ(stream->Read(), std::nullopt);
}

TEST_F(ControllerLinkTest, StopGivesUpOnAControllerThatAcknowledgesNothing) {
  Start();
  auto stream = Greet();
  link_->OfferReceipts(ReceiptFor("last"));
  stream->Expect(kReceipts);
  link_->Stop(absl::Milliseconds(20));
  EXPECT_EQ(stream->Read(), std::nullopt);
}

TEST_F(ControllerLinkTest, PlainTextOffTheLoopbackIsRefused) {
  LinkOptions options = Options("192.0.2.1:7443");
  Start(options);
  ASSERT_TRUE(Eventually([&] { return !link_->status().last_error.empty(); }));
  EXPECT_THAT(link_->status().last_error, HasSubstr("192.0.2.1"));
}

TEST_F(ControllerLinkTest, OfMessagesAboutModelsTheNewestOfEachKindCounts) {
  Start();
  auto stream = Greet();
  v1::ConnectResponse response;
  for (const char* sha : {"old", "new"}) {
    response.mutable_model_offer()->set_kind(v1::MODEL_KIND_DEMAND);
    response.mutable_model_offer()->set_sha256(sha);
    stream->Write(response);
  }
  response.mutable_model_chunk()->set_data("part");
  stream->Write(response);
  stream->Acknowledge(7);
  std::optional<v1::ModelChunk> chunk;
  ASSERT_TRUE(Eventually([&] { return (chunk = link_->TakeModelChunk()).has_value(); }));
  EXPECT_EQ(chunk->data(), "part");
  const auto offers = link_->TakeModelOffers();
  ASSERT_EQ(offers.size(), 1u);
  EXPECT_EQ(offers[0].sha256(), "new");
  EXPECT_FALSE(link_->TakeModelChunk().has_value());

  v1::ModelRequest request;
  request.set_sha256("new");
  request.set_offset(3);
  link_->Ask(request);
  EXPECT_EQ(stream->Expect(v1::ConnectRequest::kModelRequest).model_request().offset(), 3u);
  v1::ModelAnswer answer;
  answer.set_reason("damaged");
  link_->Answer(answer);
  EXPECT_EQ(stream->Expect(v1::ConnectRequest::kModelAnswer).model_answer().reason(), "damaged");
}

TEST_F(ControllerLinkTest, WhatWasAskedOnOneStreamIsNotSentOnTheNext) {
  Start();
  v1::ModelRequest request;
  request.set_sha256("old");
  link_->Ask(request);
  link_->Offer(ReportWith(1));
  auto stream = Greet();
  stream->Expect(kReport);
  link_->Offer(ReportWith(2));
  EXPECT_EQ(stream->Expect(kReport).report().cost().cpu_cores(), 2) << "and no request before it";
}

}  // namespace
}  // namespace truce::agent
