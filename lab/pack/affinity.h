// Affinity groups: on how few servers one can be, and which these are to be.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "lab/pack/placement.h"

namespace truce::lab {

// By group: the most servers that its members may be on, which is what an affinity group takes when the fleet is empty
// and always the server comes next that holds most of what is left (members largest first). Of members of one size that
// is the least there can be. 0 for other groups, and for an affinity group of which a member fits nowhere: as many
// servers as members then.
std::vector<int32_t> AffinityLimits(const NumaProblem& problem);

// No server count below it holds the group: the least for its members if all were as small as the smallest of them that
// count, for each size from the largest on. By group; 0 for other groups.
std::vector<int32_t> AffinityLowerBounds(const NumaProblem& problem);

// Places for all members of an affinity group of which none is placed, on at most `limit` servers, those that come
// first in `order` (servers; a server may lack) as long as the rest can still be within the limit. Empty when none are
// found.
std::vector<std::pair<int32_t, Place>> FindHome(const Placement& placement, const VmGroup& group, int32_t limit,
                                                const std::vector<int32_t>& order);

}  // namespace truce::lab
