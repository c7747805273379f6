// A controller that says what a test tells it to, in this process, in plain text on a free port of the loopback.
// Streams are queued for the test, which reads and answers them itself: no thread of the fake decides anything.
#pragma once

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "src/base/text.h"
#include "truce/v1/agent.grpc.pb.h"

namespace truce::agent {

class FakeController final : public v1::AgentService::Service {
 public:
  using ServerStream = grpc::ServerReaderWriter<v1::ConnectResponse, v1::ConnectRequest>;

  // One agent's stream, for as long as the object lives. Read and Write block.
  class Stream {
   public:
    Stream(FakeController* owner, ServerStream* stream, grpc::ServerContext* context)
        : owner_(owner), stream_(stream), context_(context) {}
    ~Stream() { Close(); }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    // The next message of the agent; nullopt at the end of the stream.
    std::optional<v1::ConnectRequest> Read() {
      v1::ConnectRequest request;
      return stream_->Read(&request) ? std::optional(std::move(request)) : std::nullopt;
    }
    void Write(const v1::ConnectResponse& response) { EXPECT_TRUE(stream_->Write(response)); }
    void Welcome() {
      v1::ConnectResponse response;
      response.mutable_welcome()->set_controller_version("fake");
      Write(response);
    }
    void Acknowledge(uint64_t batch_id) {
      v1::ConnectResponse response;
      response.mutable_acknowledgement()->set_batch_id(batch_id);
      Write(response);
    }
    // Reads until a report, receipts or an answer comes, and returns it; anything else that comes first is a failure.
    v1::ConnectRequest Expect(v1::ConnectRequest::MessageCase wanted) {
      auto request = Read();
      EXPECT_TRUE(request.has_value()) << "the stream ended";
      if (!request) return {};
      EXPECT_EQ(request->message_case(), wanted) << request->ShortDebugString();
      return *std::move(request);
    }
    // Ends the stream from the controller's side.
    void Close() {
      if (stream_ == nullptr) return;
      std::lock_guard lock(owner_->mutex_);
      stream_ = nullptr;
      owner_->finished_.push_back(context_);
      owner_->changed_.notify_all();
    }

   private:
    FakeController* owner_;
    ServerStream* stream_;
    grpc::ServerContext* context_;
  };

  // On `port`, or a free one.
  explicit FakeController(int port = 0) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(StrCat("127.0.0.1:", port), grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) ADD_FAILURE() << "cannot listen on port " << port;
  }
  ~FakeController() override {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      changed_.notify_all();
    }
    server_->Shutdown(std::chrono::system_clock::now());
  }

  int port() const { return port_; }
  std::string address() const { return StrCat("127.0.0.1:", port_); }

  // The next agent that connects.
  std::unique_ptr<Stream> Accept() {
    std::unique_lock lock(mutex_);
    const bool came = changed_.wait_for(lock, std::chrono::seconds(60), [this] { return !waiting_.empty(); });
    if (!came) {
      ADD_FAILURE() << "no agent connected";
      return nullptr;
    }
    auto [stream, context] = waiting_.front();
    waiting_.pop_front();
    return std::make_unique<Stream>(this, stream, context);
  }

 private:
  // The call lives until the test closes its stream.
  grpc::Status Connect(grpc::ServerContext* context, ServerStream* stream) override {
    std::unique_lock lock(mutex_);
    waiting_.emplace_back(stream, context);
    changed_.notify_all();
    changed_.wait(
        lock, [&] { return stopping_ || std::find(finished_.begin(), finished_.end(), context) != finished_.end(); });
    std::erase(finished_, context);
    return grpc::Status::OK;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<ServerStream*, grpc::ServerContext*>> waiting_;
  std::deque<grpc::ServerContext*> finished_;
  bool stopping_ = false;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace truce::agent
