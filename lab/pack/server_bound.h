// How few servers any plan needs that places every request, whatever groups ask for: what our plans are measured
// against.
#pragma once

#include <cstdint>

#include "lab/pack/numa_problem.h"

namespace truce::lab {

// As many of the largest servers as hold the sums of CPUs and memory: for each of a hundred and one weights of the two,
// the fewest servers with as much by that weight; the largest count.
int64_t BoundBySums(const NumaProblem& problem);

// The Lagrangian bound of the problem that asks, for each server, which requests it gets: for any price of each kind of
// request (size, nodes, domain) no plan needs fewer servers than
//
//   sum of prices of all requests - sum over servers of max(0, the dearest load of the server - 1)
//
// since each server in use holds at most its dearest load. The dearest load is exact for requests that come without end
// (an unbounded knapsack in CPUs and memory for each node and for both together: Gilmore and Gomory, "The theory and
// computation of knapsack functions", Operations Research 14, 1966). Prices come from subgradient steps towards
// `known`, the servers of a plan that there is (Held, Wolfe and Crowder, "Validation of subgradient optimization",
// Mathematical Programming 6, 1974). Groups are left out, domains are not. At least BoundBySums; 0 steps leave it at
// that.
int64_t BoundByLoads(const NumaProblem& problem, int64_t known, int steps);

}  // namespace truce::lab
