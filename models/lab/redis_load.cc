#include "models/lab/redis_load.h"

#include <hiredis.h>

#include <algorithm>

#include "absl/time/clock.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

redisContext* Connection(void* pointer) { return static_cast<redisContext*>(pointer); }

// Each request reads this many elements: enough work that the server, and not the socket, is most of a request.
constexpr int kListLength = 300;

}  // namespace

absl::StatusOr<std::unique_ptr<RedisLoad>> RedisLoad::Start(const std::string& socket, absl::Duration limit) {
  std::unique_ptr<RedisLoad> load(new RedisLoad(socket));
  const absl::Time deadline = absl::Now() + limit;
  absl::Status status;
  do {
    status = load->Prepare();
    if (status.ok()) {
      load->thread_ = std::thread([raw = load.get()] { raw->Run(); });
      return load;
    }
    absl::SleepFor(absl::Milliseconds(100));
  } while (absl::Now() < deadline);
  return status;
}

absl::Status RedisLoad::Prepare() {
  const timeval limit{5, 0};
  connection_ = redisConnectUnixWithTimeout(socket_.c_str(), limit);
  if (connection_ == nullptr || Connection(connection_)->err != 0) {
    const std::string reason = connection_ == nullptr ? "out of memory" : Connection(connection_)->errstr;
    if (connection_ != nullptr) redisFree(Connection(std::exchange(connection_, nullptr)));
    return absl::UnavailableError(StrCat("connecting to redis at ", socket_, ": ", reason));
  }
  for (int i = 0; i < kListLength; ++i) {
    void* reply = redisCommand(Connection(connection_), "RPUSH numbers %d", i);
    if (reply == nullptr) return absl::UnavailableError(StrCat("redis at ", socket_, " closed the connection"));
    freeReplyObject(reply);
  }
  return absl::OkStatus();
}

RedisLoad::~RedisLoad() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
  if (connection_ != nullptr) redisFree(Connection(connection_));
}

void RedisLoad::Run() {
  while (!stop_) {
    const absl::Time began = absl::Now();
    void* reply = redisCommand(Connection(connection_), "LRANGE numbers 0 -1");
    const double microseconds = absl::ToDoubleMicroseconds(absl::Now() - began);
    absl::MutexLock lock(&mutex_);
    if (reply == nullptr) {
      error_ = Connection(connection_)->errstr;
      return;
    }
    freeReplyObject(reply);
    latencies_us_.push_back(static_cast<float>(microseconds));
  }
}

LatencyInterval RedisLoad::Take() {
  std::vector<float> latencies;
  {
    absl::MutexLock lock(&mutex_);
    latencies.swap(latencies_us_);
  }
  LatencyInterval interval;
  interval.requests = latencies.size();
  if (latencies.empty()) return interval;
  auto quantile = [&latencies](double q) {
    const auto rank = static_cast<std::ptrdiff_t>(q * static_cast<double>(latencies.size() - 1));
    std::nth_element(latencies.begin(), latencies.begin() + rank, latencies.end());
    return absl::Microseconds(static_cast<double>(latencies[static_cast<size_t>(rank)]));
  };
  interval.p50 = quantile(0.5);
  interval.p99 = quantile(0.99);
  return interval;
}

std::string RedisLoad::error() const {
  absl::MutexLock lock(&mutex_);
  return error_;
}

}  // namespace truce::lab
