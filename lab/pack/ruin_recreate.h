// Empties servers of a plan: Schrimpf, Schneider, Stamm-Wilbrandt and Dueck, "Record breaking optimization results
// using the ruin and recreate principle", Journal of Computational Physics 159, 2000. A few servers are emptied, what
// was on them is placed anew, now and then not in the best place that it sees (blinks: Christiaens and Vanden Berghe,
// "Slack induction by string removals", Transportation Science 54, 2020), and the result is kept as simulated annealing
// keeps it.
//
// Fewest requests without a place come first, then fewest servers in use. Among plans with as many, the better one has
// its load in fewer places: the sum of the squares of servers' loads.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "absl/time/time.h"
#include "lab/pack/numa_problem.h"

namespace truce::lab {

struct RuinOptions {
  // Whichever comes first. Only a run that ends by its iterations is the same every time; they are of each thread.
  absl::Duration time = absl::Seconds(60);
  int64_t iterations = std::numeric_limits<int64_t>::max();
  uint64_t seed = 1;
  // Searches beside each other; the best counts.
  int threads = 2;
};

struct Ruined {
  Plan plan;
  // Ruins of all threads.
  int64_t ruins = 0;
};

// Begins with `start`, which breaks no rule; what comes back breaks none, places no fewer and uses no more servers
// unless it places more.
Ruined RuinAndRecreate(const NumaProblem& problem, const std::vector<int32_t>& affinity_limits, const Plan& start,
                       const RuinOptions& options);

}  // namespace truce::lab
