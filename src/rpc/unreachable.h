// Which of the usual things keeps a connection from coming about, out of what gRPC says of it. gRPC has one code for
// all of them, and the difference is in words that change between its versions: they are known here, and tested against
// the gRPC that is built with.
#pragma once

#include <grpcpp/support/status.h>

namespace truce::rpc {

enum class Hindrance {
  kUnknown,
  kNothingListens,
  kUnresolved,
  // The other side speaks something else than TLS.
  kNoTls,
  // Its certificate is of a CA that is not ours.
  kOtherAuthority,
  // Its certificate does not name the address that was used.
  kOtherName,
  // It ended the connection: our certificate is not of its CA, or it expects TLS.
  kClosed,
  // Nothing came back in time.
  kNoAnswer,
};

// What `status`, of a call that failed because there was no connection, says.
Hindrance HindranceOf(const grpc::Status& status);

}  // namespace truce::rpc
