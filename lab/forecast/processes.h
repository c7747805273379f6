// A training over several processes, as the command line says it: this process is one of a group that somebody starts
// on several machines, or it starts the others itself, on this one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "models/training/gradient_exchange.h"

namespace truce::lab {

struct ProcessesOptions {
  // Of a group that somebody starts.
  bool distributed = false;
  int rank = 0;
  int world = 1;
  // HOST:PORT, or [ADDRESS]:PORT.
  std::string rendezvous;
  // So many on this machine, of which this process starts all others. Not with `distributed`.
  int processes = 1;
  // How long the others are waited for.
  double timeout_seconds = 300;
};

// What one process does of the work; non-OK ends the group.
using PartOfWork = std::function<absl::Status(GradientExchange&)>;

// Does the work: alone, in a group, or as process 0 of one that it starts. The others of that get `arguments`, those of
// this process without the ones about processes, and the program that this process runs; they are ended before this
// returns. InvalidArgument for options that make no group; Unavailable when one of the group did not come or ended,
// with its rank; whatever the work returns.
absl::Status WorkTogether(const ProcessesOptions& options, const std::vector<std::string>& arguments,
                          const PartOfWork& work);

}  // namespace truce::lab
