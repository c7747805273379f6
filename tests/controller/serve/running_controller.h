// A whole controller in this process (in-memory store, plain text, port 0) and an agent to talk to it, for the tests of
// controller/serve.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "controller/plan/policy.h"
#include "controller/serve/core.h"
#include "controller/serve/grpc_server.h"
#include "tests/controller/host_builder.h"
#include "truce/v1/agent.grpc.pb.h"

namespace truce::controller {

class RunningController {
 public:
  explicit RunningController(int message_bytes = 16 << 20, const GrpcServerOptions* security = nullptr) {
    StoreOptions store_options;
    store_options.file = ":memory:";
    store_ = *Store::Open(store_options, clock);
    CoreOptions options;
    options.initial_policy = DefaultPolicy();
    options.version = "test";
    options.instance = "run";
    options.fleet.limits.message_bytes = static_cast<size_t>(message_bytes);
    core = std::make_unique<ControllerCore>(std::move(options), clock, *store_);
    AdvisorOptions advising;
    advising.advise.time = absl::Milliseconds(100);
    advisor = std::make_unique<Advisor>(advising, core->places(), clock);
    GrpcServerOptions server_options;
    server_options.plaintext = true;
    if (security != nullptr) server_options = *security;
    server_options.listen = "127.0.0.1:0";
    server_options.message_bytes = 2 * message_bytes;
    auto server = StartGrpcServer(server_options, *core, *advisor);
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  std::shared_ptr<grpc::Channel> Channel() const {
    grpc::ChannelArguments arguments;
    // A channel of its own each time: no connection is shared between agents.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(server_->address(), grpc::InsecureChannelCredentials(), arguments);
  }
  Store& store() { return *store_; }
  GrpcServer& server() { return *server_; }

  FakeClock clock;

 private:
  std::unique_ptr<Store> store_;

 public:
  std::unique_ptr<ControllerCore> core;
  std::unique_ptr<Advisor> advisor;

 private:
  std::unique_ptr<GrpcServer> server_;
};

// One agent's stream, driven step by step. Reads time out after 20 s, so that a lost answer fails and does not hang.
class TestAgent {
 public:
  explicit TestAgent(const RunningController& controller) : TestAgent(controller.Channel()) {}
  explicit TestAgent(const std::shared_ptr<grpc::Channel>& channel) : stub_(v1::AgentService::NewStub(channel)) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    stream_ = stub_->Connect(&context_);
  }
  ~TestAgent() {
    context_.TryCancel();
    if (!finished_) (void)stream_->Finish();
  }

  bool Send(const v1::Hello& hello) {
    v1::ConnectRequest request;
    *request.mutable_hello() = hello;
    return stream_->Write(request);
  }
  bool Send(v1::Report report) {
    v1::ConnectRequest request;
    report.set_sequence(++sequence_);
    *request.mutable_report() = std::move(report);
    return stream_->Write(request);
  }
  bool Send(const v1::ReceiptBatch& batch) {
    v1::ConnectRequest request;
    *request.mutable_receipts() = batch;
    return stream_->Write(request);
  }
  bool Send(const v1::DesiredSetResult& result) {
    v1::ConnectRequest request;
    *request.mutable_desired_set_result() = result;
    return stream_->Write(request);
  }
  // Empty when the stream ended.
  v1::ConnectResponse Read() {
    v1::ConnectResponse response;
    if (!stream_->Read(&response)) response.Clear();
    return response;
  }
  v1::DesiredSet ReadDesired() {
    while (true) {
      const v1::ConnectResponse response = Read();
      if (response.has_desired_set() || response.message_case() == v1::ConnectResponse::MESSAGE_NOT_SET) {
        return response.desired_set();
      }
    }
  }
  uint64_t ReadAcknowledgedBatch() {
    while (true) {
      const v1::ConnectResponse response = Read();
      if (response.acknowledgement().batch_id() != 0 ||
          response.message_case() == v1::ConnectResponse::MESSAGE_NOT_SET) {
        return response.acknowledgement().batch_id();
      }
    }
  }
  // Hello, welcome, first desired set.
  v1::DesiredSet Connect(const v1::Hello& hello) {
    Send(hello);
    EXPECT_TRUE(Read().has_welcome());
    return ReadDesired();
  }
  // Says that every action of the set is applied.
  void Accept(const v1::DesiredSet& desired) {
    v1::DesiredSetResult result;
    result.set_version(desired.version());
    result.set_nonce(desired.nonce());
    result.set_accepted(true);
    for (const auto& action : desired.actions()) {
      auto* one = result.add_results();
      one->set_lease_id(action.lease_id());
      one->set_state(v1::ACTION_STATE_APPLIED);
    }
    Send(result);
  }
  grpc::Status Finish() {
    v1::ConnectResponse response;
    while (stream_->Read(&response)) {
    }
    finished_ = true;
    return stream_->Finish();
  }

 private:
  std::unique_ptr<v1::AgentService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ConnectRequest, v1::ConnectResponse>> stream_;
  uint64_t sequence_ = 0;
  bool finished_ = false;
};

}  // namespace truce::controller
