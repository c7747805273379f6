// Requests placed one after another, and nothing moves later: first fit, best fit and ours.
#pragma once

#include <cstdint>
#include <vector>

#include "lab/pack/placement.h"

namespace truce::lab {

enum class Rule {
  // The first server, and node, of the list that takes it.
  kFirstFit,
  // The node that it leaves least of, of a server in use; if none takes it, of another.
  kBestFit,
  // As best fit on servers in use; if none takes it, the roomiest other.
  kOurs,
};

// Puts `requests` (those already placed are passed over) in their order. An affinity group comes whole: when the first
// of its members comes, room is found for all of them, on as few servers as `affinity_limits` say, or none is placed.
void PlaceInOrder(Rule rule, const std::vector<int32_t>& requests, const std::vector<int32_t>& affinity_limits,
                  Placement* placement);

// All requests in the order of the list.
std::vector<int32_t> AsListed(const NumaProblem& problem);
// Affinity groups first, those on most servers before others; then the rest, largest first.
std::vector<int32_t> LargestFirst(const NumaProblem& problem, const std::vector<int32_t>& affinity_limits);

}  // namespace truce::lab
