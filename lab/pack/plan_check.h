// Looks a plan over from scratch, whoever made it.
#pragma once

#include <cstdint>
#include <string>

#include "lab/pack/numa_problem.h"

namespace truce::lab {

// How often each rule is broken.
struct BrokenRules {
  // Nodes with more on them than they have room for.
  int64_t room = 0;
  // Requests on one node that should be on both, or the other way round.
  int64_t nodes = 0;
  // Requests on a server outside of their domain.
  int64_t domain = 0;
  // Requests on a server that one of their anti-affinity group is on already.
  int64_t anti_affinity = 0;
  // Affinity groups on more servers than AffinityLimits().
  int64_t affinity = 0;
  // One of them in words; empty when there is none.
  std::string example;
  int64_t Sum() const { return room + nodes + domain + anti_affinity + affinity; }
};
BrokenRules CheckPlan(const NumaProblem& problem, const Plan& plan);

// Requests without a place, by what keeps them from one.
struct Unplaced {
  // No server of their domain would hold them if it were empty.
  int64_t fit_nowhere = 0;
  // Beyond what an anti-affinity group can have: one on each server that could hold any of it.
  int64_t beyond_servers = 0;
  // The rest, by the plan as it is: there is room, but only beside their anti-affinity group; only where their affinity
  // group is not; nowhere.
  int64_t kept_apart = 0;
  int64_t kept_together = 0;
  int64_t no_room = 0;
  int64_t Never() const { return fit_nowhere + beyond_servers; }
  int64_t Sum() const { return Never() + kept_apart + kept_together + no_room; }
};
Unplaced WhyUnplaced(const NumaProblem& problem, const Plan& plan);

// Requests that no plan places: Unplaced::Never() of an empty plan.
int64_t CanNeverBePlaced(const NumaProblem& problem);

}  // namespace truce::lab
