// The lab's client of servers: it asks as often as it is answered, measures what a slow server costs, and ends with it.
#include "lab/load.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <sstream>
#include <thread>

#include "absl/time/clock.h"
#include "lab/meter.h"
#include "src/host/file.h"

namespace truce::lab {
namespace {

using testing::HasSubstr;

TEST(UnescapeTest, KnowsTheEscapesAndRefusesOthers) {
  EXPECT_EQ(*Unescape("GET k\\r\\n\\t\\\\"), "GET k\r\n\t\\");
  EXPECT_EQ(*Unescape("\\0"), std::string(1, '\0'));
  EXPECT_FALSE(Unescape("\\x41").ok());
  EXPECT_FALSE(Unescape("end\\").ok());
}

// Answers `answers` requests on one connection, each after `wait`, and hangs up.
class SlowServer {
 public:
  SlowServer(int answers, absl::Duration wait) : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(listen(listener_.get(), 1), 0);
    EXPECT_EQ(getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
    port = ntohs(address.sin_port);
    thread_ = std::thread([this, answers, wait] {
      const host::UniqueFd peer(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      for (int i = 0; i < answers; ++i) {
        char request[64];
        const ssize_t got = recv(peer.get(), request, sizeof request, 0);
        if (got <= 0) return;
        seen += std::string(request, static_cast<size_t>(got));
        absl::SleepFor(wait);
        // In two pieces: an answer ends where it says and not where a read ends.
        send(peer.get(), "val", 3, MSG_NOSIGNAL);
        send(peer.get(), "ue\r\n", 4, MSG_NOSIGNAL);
      }
    });
  }
  void Join() {
    if (thread_.joinable()) thread_.join();
  }
  ~SlowServer() { Join(); }
  int port = 0;
  std::string seen;

 private:
  host::UniqueFd listener_;
  std::thread thread_;
};

TEST(LoadTest, MeasuresTheServersTimeAndEndsWithIt) {
  SlowServer server(30, absl::Milliseconds(10));
  LoadOptions options;
  options.port = server.port;
  options.prepare = "set\r\n";
  options.send = "get\r\n";
  options.until = "\r\n";
  std::ostringstream out;
  const absl::Time begin = absl::Now();
  const absl::Status status = RunLoad(options, out);
  EXPECT_FALSE(status.ok());
  server.Join();
  EXPECT_THAT(server.seen, testing::StartsWith("set\r\nget\r\nget\r\n"));
  Meter meter("");
  meter.Take(out.str(), absl::Now());
  const Performance done = meter.Between(begin, absl::Now());
  EXPECT_GT(done.operations, 5);
  ASSERT_TRUE(done.SecondsPerOperation().has_value());
  EXPECT_GE(*done.SecondsPerOperation(), 0.0095) << "the server takes 10 ms";
}

TEST(LoadTest, AServerThatIsNotThereIsNamed) {
  LoadOptions options;
  options.port = 1;
  options.send = "x";
  options.until = "y";
  options.patience = absl::ZeroDuration();
  std::ostringstream out;
  EXPECT_THAT(std::string(RunLoad(options, out).message()), HasSubstr("127.0.0.1:1"));
}

}  // namespace
}  // namespace truce::lab
