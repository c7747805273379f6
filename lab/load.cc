#include "lab/load.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "lab/dataset.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/file.h"

namespace truce::lab {
namespace {

constexpr absl::Duration kReport = absl::Milliseconds(100);
// An answer larger than this never ends.
constexpr size_t kLargestAnswer = 16 << 20;

absl::StatusOr<host::UniqueFd> ConnectTo(int port, absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  while (true) {
    host::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd.valid()) return ErrnoStatus(errno, "making a socket");
    if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      const int on = 1;
      setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      return fd;
    }
    if (absl::Now() >= deadline) return ErrnoStatus(errno, StrCat("connecting to 127.0.0.1:", port));
    absl::SleepFor(absl::Milliseconds(20));
  }
}

absl::Status SendAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return ErrnoStatus(errno, "sending a request");
    text.remove_prefix(static_cast<size_t>(sent));
  }
  return absl::OkStatus();
}

struct Connection {
  host::UniqueFd fd;
  std::string answer;
  absl::Time sent_at;
  absl::Duration last_took = absl::InfiniteDuration();
  // InfinitePast: an answer is awaited; else when the next request is due.
  absl::Time due = absl::InfinitePast();
};

// True when the answer ended.
absl::StatusOr<bool> Receive(Connection& connection, std::string_view until) {
  std::array<char, 65536> block;
  const ssize_t got = recv(connection.fd.get(), block.data(), block.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (got < 0) return ErrnoStatus(errno, "reading an answer");
  if (got == 0) return absl::UnavailableError("the server closed the connection");
  connection.answer.append(block.data(), static_cast<size_t>(got));
  if (connection.answer.size() > kLargestAnswer) return absl::ResourceExhaustedError("an answer does not end");
  if (!absl::EndsWith(connection.answer, AbslView(until))) return false;
  connection.answer.clear();
  return true;
}

absl::Status Request(Connection& connection, std::string_view text) {
  connection.sent_at = absl::Now();
  connection.due = absl::InfinitePast();
  return SendAll(connection.fd.get(), text);
}

absl::Status Prepare(Connection& connection, const std::string& text) {
  TRUCE_RETURN_IF_ERROR(SendAll(connection.fd.get(), text));
  while (true) {
    pollfd waiting{connection.fd.get(), POLLIN, 0};
    poll(&waiting, 1, 1000);
    TRUCE_ASSIGN_OR_RETURN(const bool ended, Receive(connection, "\n"));
    if (ended) return absl::OkStatus();
  }
}

// Waits until an answer comes, a request is due or `until`.
void WaitForSomething(std::vector<pollfd>& waiting, const std::vector<Connection>& connections, absl::Time until) {
  for (const Connection& connection : connections) {
    if (connection.due != absl::InfinitePast()) until = std::min(until, connection.due);
  }
  const absl::Duration left = std::max(absl::ZeroDuration(), until - absl::Now());
  const timespec limit = absl::ToTimespec(left);
  ppoll(waiting.data(), waiting.size(), &limit, nullptr);
}

}  // namespace

absl::StatusOr<std::string> Unescape(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      plain += text[i];
      continue;
    }
    constexpr std::string_view kLetters = "rnt\\0";
    constexpr std::string_view kMeanings("\r\n\t\\\0", 5);
    const size_t which = ++i < text.size() ? kLetters.find(text[i]) : std::string_view::npos;
    if (which == std::string_view::npos) {
      return absl::InvalidArgumentError(StrCat("'", text, "': a backslash is followed by one of r, n, t, \\ and 0"));
    }
    plain += kMeanings[which];
  }
  return plain;
}

absl::Status RunLoad(const LoadOptions& options, std::ostream& out) {
  std::vector<Connection> connections(static_cast<size_t>(options.connections));
  std::vector<pollfd> waiting;
  for (Connection& connection : connections) {
    TRUCE_ASSIGN_OR_RETURN(connection.fd, ConnectTo(options.port, options.patience));
    waiting.push_back({connection.fd.get(), POLLIN, 0});
  }
  if (!options.prepare.empty()) TRUCE_RETURN_IF_ERROR(Prepare(connections.front(), options.prepare));
  for (Connection& connection : connections) TRUCE_RETURN_IF_ERROR(Request(connection, options.send));

  absl::Time begin = absl::Now();
  double busy_seconds = 0;
  int64_t count = 0;
  while (true) {
    WaitForSomething(waiting, connections, begin + kReport);
    for (Connection& connection : connections) {
      const absl::Time now = absl::Now();
      if (connection.due != absl::InfinitePast()) {
        if (now >= connection.due) TRUCE_RETURN_IF_ERROR(Request(connection, options.send));
        continue;
      }
      TRUCE_ASSIGN_OR_RETURN(const bool ended, Receive(connection, options.until));
      if (!ended) continue;
      const absl::Duration took = absl::Now() - connection.sent_at;
      ++count;
      busy_seconds += absl::ToDoubleSeconds(took);
      if (options.rest > 0) {
        // An answer during which the program was stopped took no longer than the one before.
        connection.due = absl::Now() + options.rest * std::min(took, connection.last_took);
        connection.last_took = took;
      } else {
        TRUCE_RETURN_IF_ERROR(Request(connection, options.send));
      }
    }
    const absl::Time now = absl::Now();
    if (now - begin < kReport) continue;
    out << absl::StrFormat("%.6f %.6f %d %.6f\n", UnixSeconds(begin), UnixSeconds(now), count, busy_seconds)
        << std::flush;
    if (!out) return absl::UnavailableError("nobody reads the figures any more");
    begin = now;
    busy_seconds = 0;
    count = 0;
  }
}

}  // namespace truce::lab
