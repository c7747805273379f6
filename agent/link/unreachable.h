// Why the controller can't be reached, as a sentence that names the key to look at. For the link's log and status.
#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "agent/link/controller_link.h"

namespace truce::agent {

// Unavailable, of a call that failed with `status` because there was no connection.
absl::Status Unreachable(const LinkOptions& options, const grpc::Status& status);

}  // namespace truce::agent
