// An agent's side of a stream to a core as far as models go: it fetches what it is offered, part by part, and goes over
// to it.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "controller/serve/core.h"
#include "models/weights/model_bytes.h"
#include "tests/controller/host_builder.h"

namespace truce::controller {

class RecordingSink final : public SessionSink {
 public:
  void Queue(v1::ConnectResponse message) override { messages.push_back(std::move(message)); }
  void QueueClose(absl::Status) override {}
  void Pump() override {}
  std::deque<v1::ConnectResponse> messages;
};

class ModelAgent {
 public:
  // `own` is the SHA-256 of the model that it came with.
  ModelAgent(std::string host, std::string own) : host_(std::move(host)), own_(std::move(own)), in_use_(own_) {}

  // Begins a stream; what it has in use stays.
  void Connect(ControllerCore* core) {
    core_ = core;
    sink_ = std::make_shared<RecordingSink>();
    session_ = core_->OnOpened(sink_, std::nullopt);
    v1::ConnectRequest request;
    *request.mutable_hello() = MakeHello(host_);
    request.mutable_hello()->mutable_report_interval()->set_seconds(60);
    v1::ModelInUse& model = *request.mutable_hello()->add_models();
    model.set_kind(v1::MODEL_KIND_DEMAND);
    model.set_sha256(in_use_);
    model.set_sent(in_use_ != own_);
    Send(request);
  }
  // Sends, and does what comes.
  void Send(const v1::ConnectRequest& request) {
    core_->OnMessage(session_, request);
    Follow();
  }
  // Takes what came, and says what an agent says to it, until nothing more comes.
  void Follow() {
    while (!sink_->messages.empty()) {
      const v1::ConnectResponse response = sink_->messages.front();
      sink_->messages.pop_front();
      if (response.has_model_offer()) {
        ++offers_;
        wanted_ = response.model_offer();
        received_.clear();
        wanted_.sha256().empty() ? Answer() : Ask();
      } else if (response.has_model_chunk()) {
        EXPECT_LE(response.model_chunk().data().size(), ModelRollout::kChunkBytes);
        received_ += response.model_chunk().data();
        received_.size() < wanted_.size_bytes() ? Ask() : Answer();
      }
    }
  }

  const std::string& host() const { return host_; }
  const std::string& in_use() const { return in_use_; }
  // What came last, whole once in_use() is its SHA-256.
  const std::string& received() const { return received_; }
  int offers() const { return offers_; }
  uint64_t session() const { return session_; }
  const RecordingSink& sink() const { return *sink_; }

 private:
  void Ask() {
    v1::ConnectRequest request;
    request.mutable_model_request()->set_sha256(wanted_.sha256());
    request.mutable_model_request()->set_offset(received_.size());
    core_->OnMessage(session_, request);
  }
  void Answer() {
    const bool own = wanted_.sha256().empty();
    if (!own) {
      EXPECT_EQ(FileSha256(received_), wanted_.sha256());
    }
    v1::ConnectRequest request;
    request.mutable_model_answer()->set_sha256(wanted_.sha256());
    request.mutable_model_answer()->set_accepted(true);
    in_use_ = own ? own_ : wanted_.sha256();
    core_->OnMessage(session_, request);
  }

  std::string host_;
  std::string own_;
  std::string in_use_;
  ControllerCore* core_ = nullptr;
  uint64_t session_ = 0;
  std::shared_ptr<RecordingSink> sink_;
  v1::ModelOffer wanted_;
  std::string received_;
  int offers_ = 0;
};

}  // namespace truce::controller
