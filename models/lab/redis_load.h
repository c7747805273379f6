// A steady closed-loop client of redis: one connection, the next request goes out when the answer is in. Measures every
// request. One thread of its own.
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
  // Connects to the unix socket and stores the list that the requests read. Unavailable when nothing answers within
  // `limit`.
  static absl::StatusOr<std::unique_ptr<RedisLoad>> Start(const std::string& socket, absl::Duration limit);
  ~RedisLoad();

  // What happened since the last call. No requests at all gives zeros.
  LatencyInterval Take();
  // Empty while the connection is well.
  std::string error() const;

 private:
  explicit RedisLoad(std::string socket) : socket_(std::move(socket)) {}
  absl::Status Prepare();
  void Run();

  const std::string socket_;
  std::atomic<bool> stop_{false};
  mutable absl::Mutex mutex_;
  std::vector<float> latencies_us_ ABSL_GUARDED_BY(mutex_);
  std::string error_ ABSL_GUARDED_BY(mutex_);
  void* connection_ = nullptr;  // redisContext; hiredis stays in the .cc file
  std::thread thread_;
};

}  // namespace truce::lab
