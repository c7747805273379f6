// A controller without a network: messages are handed to it as its streams would.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "lab/fleet/control/link.h"

namespace truce::lab::fleet {

struct InProcessOptions {
  // Of advice: changes that are tried for each workload.
  int64_t tries = 200;
  uint64_t seed = 1;
};

// The same answers every time.
absl::StatusOr<std::unique_ptr<ControllerLink>> LinkInProcess(const InProcessOptions& options);

}  // namespace truce::lab::fleet
