// The planner's rules for LEVER_CACHE_CLASS: which of its bounds serves against which contention on which host, with
// what value it begins, and how it is cut further. Pure.
#pragma once

#include <optional>
#include <string>

#include "truce/v1/operator.pb.h"
#include "truce/v1/types.pb.h"

namespace truce::controller {

// Sets the bound that a class begins with against contention for `resource`. What is wrong with that, for a person,
// when it can't be: the host can't bound this, or how much the giver uses is not known.
std::optional<std::string> BeginCacheClass(const v1::CacheControl& host, const v1::WorkloadReport& giver,
                                           v1::Resource resource, const v1::Policy& policy, v1::LeasedAction* action);

// Cuts the bound on `resource` once more, or begins it beside one on the other. False, and nothing changed, when that
// can't be, when it is at its floor or when the host could not tell the difference.
bool CutCacheClass(const v1::CacheControl& host, const v1::WorkloadReport& giver, v1::Resource resource,
                   const v1::Policy& policy, v1::LeasedAction* action);

// "50 % of the cache", "3.1 GB of memory a second": for people.
std::string CacheClassWords(const v1::LeasedAction& action);

}  // namespace truce::controller
