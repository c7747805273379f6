// QEMU's machine protocol: one command at a time over a virtual machine's monitor socket, JSON both ways
// (qemu-qmp-ref). Used to give a machine less memory (balloon) and to move it to another host.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/struct.pb.h"
#include "src/host/file.h"

namespace truce::host {

// Not thread-safe. Each call blocks until the answer is there or its time is up; events that come in between are thrown
// away. A monitor socket serves one client at a time: keep a connection no longer than needed.
class QmpClient {
 public:
  // Connects to the socket at `path` and ends the greeting. NotFound when there is none, Unavailable when nobody
  // answers in time (another client may hold it), FailedPrecondition when what answers is no QEMU.
  // Unless `pid` is 0, FailedPrecondition too when another process than that listens there.
  static absl::StatusOr<std::unique_ptr<QmpClient>> Connect(const std::string& path, absl::Duration patience,
                                                            int pid = 0);

  // The command's return value. The error names the command and what QEMU said of it: NotFound for a device or command
  // that it does not have, FailedPrecondition for other refusals, Unavailable when the answer did not come in time,
  // after which the connection is of no more use.
  absl::StatusOr<google::protobuf::Value> Execute(const std::string& command,
                                                  const google::protobuf::Struct& arguments = {});

 private:
  QmpClient(UniqueFd socket, absl::Duration patience) : socket_(std::move(socket)), patience_(patience) {}
  // Sends the command and waits for its answer.
  absl::StatusOr<google::protobuf::Struct> Ask(const std::string& command, const google::protobuf::Struct& arguments,
                                               absl::Time deadline);
  // The next message, whatever it is.
  absl::StatusOr<google::protobuf::Struct> Receive(absl::Time deadline);

  UniqueFd socket_;
  const absl::Duration patience_;
  std::string buffer_;
  uint64_t commands_ = 0;
};

// The number at `name`, such as "actual" of query-balloon; Internal when it is not there.
absl::StatusOr<double> NumberIn(const google::protobuf::Value& value, const std::string& name);
// The text at `name`; empty when it is not there.
std::string TextIn(const google::protobuf::Value& value, const std::string& name);

}  // namespace truce::host
