#include "lab/fleet/control/agent_stream.h"

#include <algorithm>
#include <utility>

#include "src/rpc/security.h"

namespace truce::lab::fleet {

AgentStream::AgentStream(v1::AgentService::Stub& stub) {
  stub.async()->Connect(&context_, this);
  // Writes are begun from outside of reactions.
  AddHold();
  StartRead(&response_);
  StartCall();
}

AgentStream::~AgentStream() {
  context_.TryCancel();
  LetGo();
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&done_));
}

void AgentStream::LetGo() {
  {
    absl::MutexLock lock(&mutex_);
    if (!std::exchange(holds_, false)) return;
  }
  RemoveHold();
}

void AgentStream::Send(v1::ConnectRequest request) {
  absl::MutexLock lock(&mutex_);
  queue_.push_back(std::move(request));
  WriteNext();
}

void AgentStream::WriteNext() {
  if (!holds_ || writing_ || queue_.empty()) return;
  writing_ = true;
  StartWrite(&queue_.front());
}

absl::Status AgentStream::Await(uint64_t sequence, absl::Duration timeout) {
  absl::MutexLock lock(&mutex_);
  const auto ready = [this, sequence] {
    mutex_.AssertHeld();
    return done_ || (welcome_ && taken_in_ >= sequence);
  };
  if (!mutex_.AwaitWithTimeout(absl::Condition(&ready), timeout)) {
    return absl::DeadlineExceededError("the controller does not take in what an agent says");
  }
  if (!done_) return absl::OkStatus();
  return status_.ok() ? absl::UnavailableError("the controller ended an agent's stream") : status_;
}

void AgentStream::OnWriteDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  writing_ = false;
  queue_.pop_front();
  if (ok) WriteNext();
}

void AgentStream::OnReadDone(bool ok) {
  if (!ok) {
    LetGo();
    return;
  }
  {
    absl::MutexLock lock(&mutex_);
    welcome_ |= response_.has_welcome();
    taken_in_ = std::max(taken_in_, response_.acknowledgement().report_sequence());
  }
  StartRead(&response_);
}

void AgentStream::OnDone(const grpc::Status& status) {
  absl::MutexLock lock(&mutex_);
  done_ = true;
  status_ = rpc::FromGrpc(status);
}

}  // namespace truce::lab::fleet
