// Improves an assignment by simulated annealing: Kirkpatrick, Gelatt and Vecchi, "Optimization by simulated annealing",
// Science 220, 1983; for this kind of problem Portal, Ritt, Borba and Buriol, "Simulated annealing for the machine
// reassignment problem", Annals of Operations Research 242, 2016. What it tries is in moves.h, how it cools in
// cooling.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controller/plan/pack/problem.h"

namespace truce::controller::pack {

struct AnnealOptions {
  // Whichever comes first. Only a run that ends by its iterations is the same every time; iterations are of each
  // thread.
  absl::Duration time = absl::Seconds(10);
  int64_t iterations = std::numeric_limits<int64_t>::max();
  uint64_t seed = 1;
  // Searches beside each other; the best counts.
  int threads = 1;
  // Workloads that may be elsewhere than before.
  int32_t most_moved = std::numeric_limits<int32_t>::max();
  // Set by another thread to end it early.
  const std::atomic<bool>* stop = nullptr;
};

struct Annealed {
  Assignment assignment;
  int64_t cost = 0;
  int64_t cost_before = 0;
  // Changes that were priced, by all threads.
  int64_t priced = 0;
};

// Never dearer than `before`, which is what it starts from; a rule that `before` breaks may stay broken.
// InvalidArgument for a problem or an assignment that is not sound.
absl::StatusOr<Annealed> Anneal(const Problem& problem, const Assignment& before, const AnnealOptions& options);

}  // namespace truce::controller::pack
