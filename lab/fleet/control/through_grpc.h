// A controller behind its gRPC API on loopback: every host has a stream, the scheduler a stub.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lab/fleet/control/link.h"

namespace truce::lab::fleet {

struct ThroughGrpcOptions {
  // Of the search for an advice.
  absl::Duration advice_time = absl::Seconds(2);
  // Of one advice, as the controller is configured; the best for many are not the best for few.
  int32_t most_moves = 20;
};

// Starts one in this process. Its clock is the system's, and advice takes the time that it takes: answers differ from
// run to run.
absl::StatusOr<std::unique_ptr<ControllerLink>> LinkThroughGrpc(const ThroughGrpcOptions& options);

}  // namespace truce::lab::fleet
