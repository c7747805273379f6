// What the value of an action says, lever by lever: whether it makes sense at all, whether two are the same, how it is
// told to people. Pure; what the host says to a value is the levers' business (lever.h).
#pragma once

#include <optional>
#include <string>

#include "truce/v1/types.pb.h"

namespace truce::agent {

// What no action may go below, whatever the controller says.
struct LeverFloors {
  double cores = 0.1;
  double memory_bytes = 16 << 20;
  double disk_bytes_per_second = 1 << 20;
  double disk_operations_per_second = 10;
  double network_bytes_per_second = 128 << 10;
  double cache_ratio = 0.1;
  double memory_bandwidth_ratio = 0.1;
  double memory_bandwidth_bytes_per_second = 1e9;
};

// "cpu_pin", "cpu_quota", "lever 7".
std::string LeverName(v1::Lever lever);
// Whether this agent has the lever.
bool KnowsLever(v1::Lever lever);

// Why the value makes no sense or goes below a floor, in a sentence; nullopt when it may be tried.
std::optional<std::string> BadLeverValue(const v1::LeasedAction& action, const LeverFloors& floors);

// Whether two actions of one lever want the same value.
bool SameLeverValue(const v1::LeasedAction& a, const v1::LeasedAction& b);

// "cpu_pin to CPUs 0-3", "cpu_quota of 0.5 cores", "disk_cap of 8:0 to 10485760 bytes read a second": for people.
std::string Describe(const v1::LeasedAction& action);

}  // namespace truce::agent
