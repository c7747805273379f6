#include "lab/redis_load.h"

#include <hiredis.h>
#include <poll.h>

#include <algorithm>

#include "absl/time/clock.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

// Requests in flight. With several, the server has always something to do: a server that sleeps between requests would
// be woken ahead of any CPU hog, and nobody would suffer.
constexpr int kConnections = 4;
// Each request counts the bits of a value of this size: work for the server, next to none for the client.
constexpr size_t kValueBytes = 256 * 1024;

}  // namespace

struct RedisLoad::Connection {
  struct Free {
    void operator()(redisContext* context) const { redisFree(context); }
  };
  std::unique_ptr<redisContext, Free> context;
  absl::Time sent_at;
};

RedisLoad::RedisLoad(std::string socket) : socket_(std::move(socket)) {}

absl::StatusOr<std::unique_ptr<RedisLoad>> RedisLoad::Start(const std::string& socket, absl::Duration limit) {
  std::unique_ptr<RedisLoad> load(new RedisLoad(socket));
  const absl::Time deadline = absl::Now() + limit;
  absl::Status status = load->Connect();
  while (!status.ok() && absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(100));
    status = load->Connect();
  }
  TRUCE_RETURN_IF_ERROR(status);
  TRUCE_RETURN_IF_ERROR(load->Prepare());
  load->thread_ = std::thread([raw = load.get()] { raw->Run(); });
  return load;
}

absl::Status RedisLoad::Connect() {
  connections_.clear();
  const timeval limit{5, 0};
  for (int i = 0; i < kConnections; ++i) {
    Connection connection;
    connection.context.reset(redisConnectUnixWithTimeout(socket_.c_str(), limit));
    if (connection.context == nullptr || connection.context->err != 0) {
      return absl::UnavailableError(
          StrCat("connecting to redis at ", socket_, ": ",
                 connection.context == nullptr ? "out of memory" : connection.context->errstr));
    }
    connections_.push_back(std::move(connection));
  }
  return absl::OkStatus();
}

absl::Status RedisLoad::Prepare() {
  const std::string value(kValueBytes, 'x');
  void* reply = redisCommand(connections_[0].context.get(), "SET value %b", value.data(), value.size());
  if (reply == nullptr)
    return absl::UnavailableError(StrCat("redis at ", socket_, ": ", connections_[0].context->errstr));
  freeReplyObject(reply);
  return absl::OkStatus();
}

RedisLoad::~RedisLoad() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

bool RedisLoad::Send(Connection& connection) {
  connection.sent_at = absl::Now();
  int done = 0;
  if (redisAppendCommand(connection.context.get(), "BITCOUNT value") != REDIS_OK) return false;
  while (done == 0) {
    if (redisBufferWrite(connection.context.get(), &done) != REDIS_OK) return false;
  }
  return true;
}

bool RedisLoad::Receive(Connection& connection) {
  if (redisBufferRead(connection.context.get()) != REDIS_OK) return false;
  void* reply = nullptr;
  if (redisGetReplyFromReader(connection.context.get(), &reply) != REDIS_OK) return false;
  if (reply == nullptr) return true;  // only a part of it has come
  freeReplyObject(reply);
  const double microseconds = absl::ToDoubleMicroseconds(absl::Now() - connection.sent_at);
  {
    absl::MutexLock lock(&mutex_);
    latencies_us_.push_back(static_cast<float>(microseconds));
  }
  return Send(connection);
}

void RedisLoad::Fail(const std::string& reason) {
  absl::MutexLock lock(&mutex_);
  error_ = reason.empty() ? "connection lost" : reason;
}

void RedisLoad::Run() {
  std::vector<pollfd> waiting;
  for (Connection& connection : connections_) {
    if (!Send(connection)) return Fail(connection.context->errstr);
    waiting.push_back({connection.context->fd, POLLIN, 0});
  }
  while (!stop_) {
    // Wakes up now and then to see whether it is to stop.
    if (poll(waiting.data(), waiting.size(), 100) <= 0) continue;
    for (size_t i = 0; i < waiting.size(); ++i) {
      if (waiting[i].revents != 0 && !Receive(connections_[i])) return Fail(connections_[i].context->errstr);
    }
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
