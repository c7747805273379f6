#include "controller/serve/agent_service.h"

#include <deque>
#include <optional>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "controller/fleet/words.h"
#include "src/base/text.h"
#include "src/rpc/security.h"
#include "truce/v1/agent.grpc.pb.h"

namespace truce::controller {
namespace {

using Reactor = grpc::ServerBidiReactor<v1::ConnectRequest, v1::ConnectResponse>;

// More answers than this that an agent has not taken mean that it is stuck.
constexpr size_t kMostQueued = 256;

// What is to be sent on one stream. Lives as long as the core or the reactor needs it. gRPC is never called under the
// lock: it may run reactions inside the call. Whoever sets `writing_` owns the stream until the write is done.
class Outbox final : public SessionSink {
 public:
  explicit Outbox(Reactor* reactor) : reactor_(reactor) {}

  void Queue(v1::ConnectResponse message) override {
    absl::MutexLock lock(&mutex_);
    // Only the newest desired set counts, and it must not wait behind ones that it replaces.
    if (message.has_desired_set()) {
      std::erase_if(queue_, [](const auto& queued) { return queued.has_desired_set(); });
    }
    // One part of a model at a time: who asks for more before it has taken the last gets the newest.
    if (message.has_model_chunk()) {
      std::erase_if(queue_, [](const auto& queued) { return queued.has_model_chunk(); });
    }
    if (queue_.size() >= kMostQueued) {
      if (!close_.has_value())
        close_ = grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "answers are not being read");
      return;
    }
    queue_.push_back(std::move(message));
  }

  void QueueClose(absl::Status status) override {
    absl::MutexLock lock(&mutex_);
    if (!close_.has_value()) close_ = rpc::ToGrpc(status);
  }

  void Pump() override {
    std::optional<grpc::Status> finish;
    {
      absl::MutexLock lock(&mutex_);
      if (writing_ || finished_) return;
      if (close_.has_value()) {
        finished_ = true;
        finish = *close_;
      } else if (!queue_.empty()) {
        writing_ = true;
        current_ = std::move(queue_.front());
        queue_.pop_front();
      } else {
        return;
      }
    }
    // Nothing of `this` is touched after these calls but through the shared pointer that the caller holds.
    if (finish.has_value()) {
      reactor_->Finish(*std::move(finish));
    } else {
      reactor_->StartWrite(&current_);
    }
  }

  void OnWriteDone() {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
  }

 private:
  Reactor* const reactor_;  // alive until Finish, which only Pump calls
  absl::Mutex mutex_;
  std::deque<v1::ConnectResponse> queue_ ABSL_GUARDED_BY(mutex_);
  std::optional<grpc::Status> close_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  v1::ConnectResponse current_;  // owned by the write in progress
};

// One agent's stream. Deletes itself when gRPC is done with it.
class Session final : public Reactor {
 public:
  Session(ControllerCore& core, std::optional<std::string> certified_host)
      : core_(core), outbox_(std::make_shared<Outbox>(this)), id_(core.OnOpened(outbox_, std::move(certified_host))) {
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    const std::shared_ptr<Outbox> outbox = outbox_;
    if (!ok) {
      // The agent went away, or the stream is being finished from here.
      core_.OnClosed(id_);
      outbox->QueueClose(absl::OkStatus());
      outbox->Pump();
      return;
    }
    core_.OnMessage(id_, std::move(request_));
    request_.Clear();
    StartRead(&request_);
  }

  void OnWriteDone(bool ok) override {
    const std::shared_ptr<Outbox> outbox = outbox_;
    outbox->OnWriteDone();
    if (!ok) outbox->QueueClose(absl::UnavailableError("the stream broke"));
    outbox->Pump();
  }

  void OnDone() override {
    core_.OnClosed(id_);
    delete this;
  }

 private:
  ControllerCore& core_;
  const std::shared_ptr<Outbox> outbox_;
  const uint64_t id_;
  v1::ConnectRequest request_;
};

// A stream that is refused before it began.
class Refused final : public Reactor {
 public:
  explicit Refused(const absl::Status& status) { Finish(rpc::ToGrpc(status)); }
  void OnDone() override { delete this; }
};

class AgentServiceImpl final : public v1::AgentService::CallbackService {
 public:
  AgentServiceImpl(ControllerCore& core, bool plaintext) : core_(core), plaintext_(plaintext) {}

  Reactor* Connect(grpc::CallbackServerContext* context) override {
    if (plaintext_) return new Session(core_, std::nullopt);
    const absl::StatusOr<rpc::Identity> identity = rpc::CallerIdentity(*context);
    if (!identity.ok()) return new Refused(identity.status());
    if (identity->role != rpc::Role::kAgent) {
      return new Refused(absl::PermissionDeniedError(
          StrCat("the certificate is for ", rpc::RoleName(identity->role), " \"", identity->name,
                 "\"; a host's agent needs one with the role agent (trucectl certs issue DIR agent HOST)")));
    }
    return new Session(core_, identity->name);
  }

 private:
  ControllerCore& core_;
  const bool plaintext_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeAgentService(ControllerCore& core, bool plaintext) {
  return std::make_unique<AgentServiceImpl>(core, plaintext);
}

}  // namespace truce::controller
