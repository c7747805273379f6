// An agent's stream to a controller, as one of thousands on one channel.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <deque>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "truce/v1/agent.grpc.pb.h"

namespace truce::lab::fleet {

// Thread-safe. What the controller wants of the host is read and left undone.
class AgentStream final : public grpc::ClientBidiReactor<v1::ConnectRequest, v1::ConnectResponse> {
 public:
  explicit AgentStream(v1::AgentService::Stub& stub);
  // Ends the stream and waits for it.
  ~AgentStream() override;

  // Sent in this order.
  void Send(v1::ConnectRequest request);
  // Until the controller has taken in the report of that number, or the welcome has come (0). What the stream ended
  // with, or DeadlineExceeded.
  absl::Status Await(uint64_t sequence, absl::Duration timeout);

  void OnWriteDone(bool ok) override;
  void OnReadDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

 private:
  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Nothing is written any more: without it the stream can end.
  void LetGo() ABSL_LOCKS_EXCLUDED(mutex_);

  grpc::ClientContext context_;
  v1::ConnectResponse response_;
  absl::Mutex mutex_;
  // The first is being written while `writing_`.
  std::deque<v1::ConnectRequest> queue_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool holds_ ABSL_GUARDED_BY(mutex_) = true;
  bool welcome_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t taken_in_ ABSL_GUARDED_BY(mutex_) = 0;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace truce::lab::fleet
