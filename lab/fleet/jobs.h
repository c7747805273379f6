// Simulations beside each other, until all are done, one fails, or somebody interrupts them.
#pragma once

#include <atomic>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "src/base/shutdown.h"

namespace truce::lab::fleet {

struct Job {
  std::string name;
  std::function<absl::Status()> run;
};

// Runs them on so many threads, in their order; says on `progress` what begins. When one fails or a signal comes, sets
// `stop`, begins no more and waits for those that run. The first error; Cancelled after a signal. Main thread only.
absl::Status RunJobs(const std::vector<Job>& jobs, int threads, ShutdownSignals& signals, std::atomic<bool>* stop,
                     std::ostream& progress);

}  // namespace truce::lab::fleet
