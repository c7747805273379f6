// What a leading series (models/forecast/leaders.h) has done that has yet to reach its follower. Pure.
#pragma once

#include <array>
#include <cstddef>

#include "models/forecast/demand_horizons.h"

namespace truce {

struct LeaderPush {
  // Gain x the leader's changes that arrive until each of kDemandHorizons, in the follower's unit: by so much it is
  // expected to change for that reason.
  std::array<double, kDemandHorizons.size()> change = {};
  // How much of the follower's surprises come from there: the size of the correlation, 0..1. 0: there is no leader.
  double share = 0;
};

}  // namespace truce
