#include "src/host/qmp.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "google/protobuf/util/json_util.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::host {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

// The longest answer that QEMU has (query-qmp-schema) is about 300 KiB.
constexpr size_t kLongestMessage = size_t{1} << 20;
constexpr size_t kChunk = size_t{64} << 10;

// Waits until the socket may be read or written. Unavailable at the deadline.
absl::Status WaitFor(int fd, short events, absl::Time deadline) {
  while (true) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) return absl::UnavailableError("no answer in time");
    pollfd waiting{fd, events, 0};
    const auto milliseconds = static_cast<int>(std::min<int64_t>(absl::ToInt64Milliseconds(left) + 1, 60'000));
    const int ready = poll(&waiting, 1, milliseconds);
    if (ready > 0) return absl::OkStatus();
    if (ready < 0 && errno != EINTR) return ErrnoStatus(errno, "waiting");
  }
}

absl::Status Send(int fd, std::string_view text, absl::Time deadline) {
  while (!text.empty()) {
    const ssize_t sent = send(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      text.remove_prefix(static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      TRUCE_RETURN_IF_ERROR(WaitFor(fd, POLLOUT, deadline));
    } else if (errno != EINTR) {
      return absl::UnavailableError(StrCat("the connection broke: ", std::strerror(errno)));
    }
  }
  return absl::OkStatus();
}

// Length of the JSON object that `text` begins with, white space before it included; nullopt while its end is missing.
// By its braces and not by its line: a monitor with pretty=on writes one object on many lines.
std::optional<size_t> ObjectLength(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && --depth <= 0) {
      return i + 1;
    } else if (c == '\n' && depth == 0 && text.find_first_not_of(" \t\r\n") < i) {
      return i + 1;  // a line that is no object at all
    }
  }
  return std::nullopt;
}

// Receives up to `room` bytes at the end of *buffer.
absl::Status ReceiveSome(int fd, size_t room, absl::Time deadline, std::string* buffer) {
  const size_t before = buffer->size();
  while (true) {
    // Also one who never stops talking runs out of time.
    if (absl::Now() >= deadline) return absl::UnavailableError("no answer in time");
    buffer->resize(before + room);
    const ssize_t got = recv(fd, buffer->data() + before, room, MSG_DONTWAIT);
    const int error = errno;
    buffer->resize(before + (got > 0 ? static_cast<size_t>(got) : 0));
    if (got > 0) return absl::OkStatus();
    if (got == 0) return absl::UnavailableError("the connection was closed");
    if (error == EAGAIN) {
      TRUCE_RETURN_IF_ERROR(WaitFor(fd, POLLIN, deadline));
    } else if (error != EINTR) {
      return absl::UnavailableError(StrCat("the connection broke: ", std::strerror(error)));
    }
  }
}

// Anybody may name anybody's socket on a command line.
absl::Status CheckListener(int fd, const std::string& path, int pid) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return ErrnoStatus(errno, "asking who listens");
  if (peer.pid == pid) return absl::OkStatus();
  return absl::FailedPreconditionError(
      StrCat("process ", pid, " says that ", path, " is its monitor, and process ", peer.pid, " listens there"));
}

absl::StatusOr<UniqueFd> ConnectSocket(const std::string& path, absl::Time deadline) {
  // By way of an open file, because an address has room for 107 bytes only.
  const UniqueFd file(open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!file.valid()) return ErrnoStatus(errno, StrCat("opening ", path));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = StrCat("/proc/self/fd/", file.get());
  name.copy(address.sun_path, name.size());
  while (true) {
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket.valid()) return ErrnoStatus(errno, "making a socket");
    if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return socket;
    const int error = errno;
    // Nobody listens at a socket that was left behind.
    if (error == ECONNREFUSED) return absl::NotFoundError(StrCat("nobody listens at ", path));
    if (error != EAGAIN && error != EINTR) return ErrnoStatus(error, StrCat("connecting to ", path));
    // Others are waiting for it already, and there is nothing to poll.
    if (absl::Now() >= deadline) {
      return absl::UnavailableError(StrCat(path, " is busy; another program holds the machine's monitor"));
    }
    absl::SleepFor(absl::Milliseconds(5));
  }
}

const Value* Find(const Struct& object, const std::string& name) {
  const auto found = object.fields().find(name);
  return found == object.fields().end() ? nullptr : &found->second;
}

absl::Status Refusal(const Value& error, const std::string& command) {
  const std::string text = StrCat("QEMU refuses ", command, ": ", TextIn(error, "desc"));
  const std::string kind = TextIn(error, "class");
  if (kind == "DeviceNotFound" || kind == "CommandNotFound") return absl::NotFoundError(text);
  return absl::FailedPreconditionError(text);
}

}  // namespace

absl::StatusOr<std::unique_ptr<QmpClient>> QmpClient::Connect(const std::string& path, absl::Duration patience,
                                                              int pid) {
  const absl::Time deadline = absl::Now() + patience;
  TRUCE_ASSIGN_OR_RETURN(UniqueFd socket, ConnectSocket(path, deadline));
  if (pid != 0) TRUCE_RETURN_IF_ERROR(CheckListener(socket.get(), path, pid));
  std::unique_ptr<QmpClient> client(new QmpClient(std::move(socket), patience));
  const auto greeting = client->Receive(deadline);
  if (absl::IsUnavailable(greeting.status())) {
    return absl::UnavailableError(StrCat("waiting for QEMU's greeting at ", path, ": ",
                                         StdView(greeting.status().message()),
                                         "; another program may hold the machine's monitor"));
  }
  if (!greeting.ok() || Find(*greeting, "QMP") == nullptr) {
    return absl::FailedPreconditionError(StrCat("what answers at ", path, " is no QEMU's QMP monitor"));
  }
  TRUCE_RETURN_IF_ERROR(WithContext(client->Execute("qmp_capabilities").status(), path));
  return client;
}

absl::StatusOr<Value> QmpClient::Execute(const std::string& command, const Struct& arguments) {
  if (!socket_.valid()) {
    return absl::UnavailableError(StrCat("asking QEMU for ", command, ": the connection is lost; connect anew"));
  }
  auto answer = Ask(command, arguments, absl::Now() + patience_);
  if (!answer.ok()) {
    // What comes later would answer nothing that was asked.
    socket_.reset();
    return WithContext(answer.status(), StrCat("asking QEMU for ", command));
  }
  if (const Value* error = Find(*answer, "error")) return Refusal(*error, command);
  return *Find(*answer, "return");
}

absl::StatusOr<Struct> QmpClient::Ask(const std::string& command, const Struct& arguments, absl::Time deadline) {
  const std::string id = StrCat("truce-", ++commands_);
  Struct request;
  auto& fields = *request.mutable_fields();
  fields["execute"].set_string_value(command);
  fields["id"].set_string_value(id);
  if (arguments.fields_size() > 0) *fields["arguments"].mutable_struct_value() = arguments;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(request, &text).ok()) {
    return absl::InternalError("its arguments are no JSON");
  }
  TRUCE_RETURN_IF_ERROR(Send(socket_.get(), text + "\r\n", deadline));
  while (true) {
    TRUCE_ASSIGN_OR_RETURN(Struct message, Receive(deadline));
    const Value* answered = Find(message, "id");
    // An error without an id is about what QEMU could not read; only this command is under way.
    const bool ours = answered == nullptr ? Find(message, "error") != nullptr : answered->string_value() == id;
    if (ours && (Find(message, "error") != nullptr || Find(message, "return") != nullptr)) return message;
  }
}

absl::StatusOr<Struct> QmpClient::Receive(absl::Time deadline) {
  std::optional<size_t> length = ObjectLength(buffer_);
  while (!length) {
    if (buffer_.size() >= kLongestMessage) {
      return absl::InternalError(StrCat("a message is longer than ", kLongestMessage, " bytes"));
    }
    const size_t room = std::min(kChunk, kLongestMessage - buffer_.size());
    TRUCE_RETURN_IF_ERROR(ReceiveSome(socket_.get(), room, deadline, &buffer_));
    length = ObjectLength(buffer_);
  }
  Struct message;
  const std::string text = buffer_.substr(0, *length);
  buffer_.erase(0, *length);
  if (!google::protobuf::util::JsonStringToMessage(text, &message).ok()) {
    return absl::InternalError("a message is no JSON object");
  }
  return message;
}

absl::StatusOr<double> NumberIn(const Value& value, const std::string& name) {
  const Value* found = Find(value.struct_value(), name);
  if (found == nullptr || !found->has_number_value()) {
    return absl::InternalError(StrCat("QEMU's answer has no number '", name, "'"));
  }
  return found->number_value();
}

std::string TextIn(const Value& value, const std::string& name) {
  const Value* found = Find(value.struct_value(), name);
  return found == nullptr ? std::string() : found->string_value();
}

}  // namespace truce::host
