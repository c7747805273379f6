// A steady closed-loop client of redis: a few connections, and on each the next request goes out when the answer is in.
// Measures every request. One thread of its own.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace truce::lab {

// One interval of requests.
struct LatencyInterval {
  uint64_t requests = 0;
  absl::Duration p50;
  absl::Duration p99;
};

class RedisLoad {
 public:
  // Connects to the unix socket and stores the value that the requests read. Unavailable when nothing answers within
  // `limit`.
  static absl::StatusOr<std::unique_ptr<RedisLoad>> Start(const std::string& socket, absl::Duration limit);
  ~RedisLoad();

  // What happened since the last call. No requests at all gives zeros.
  LatencyInterval Take();
  // Empty while the connection is well.
  std::string error() const;

 private:
  explicit RedisLoad(std::string socket);
  struct Connection;
  absl::Status Connect();
  absl::Status Prepare();
  void Run();
  // Sends the next request; false when the connection is lost.
  bool Send(Connection& connection);
  // Takes what has come in; false when the connection is lost.
  bool Receive(Connection& connection);
  void Fail(const std::string& reason);

  const std::string socket_;
  std::atomic<bool> stop_{false};
  mutable absl::Mutex mutex_;
  std::vector<float> latencies_us_ ABSL_GUARDED_BY(mutex_);
  std::string error_ ABSL_GUARDED_BY(mutex_);
  std::vector<Connection> connections_;
  std::thread thread_;
};

}  // namespace truce::lab
