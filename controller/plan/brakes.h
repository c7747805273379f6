// Bounds on how much the planner does at once. Owned by ControllerCore (the fleet's) and by each HostPlan (a host's).
#pragma once

#include <cstdint>
#include <deque>

#include "absl/time/time.h"

namespace truce::controller {

// At most so many in any minute.
class RateBrake {
 public:
  // Whether one more is allowed now.
  bool Allows(absl::Duration now, uint32_t per_minute) {
    while (!taken_.empty() && now - taken_.front() >= absl::Minutes(1)) taken_.pop_front();
    return taken_.size() < per_minute;
  }
  void Take(absl::Duration now) { taken_.push_back(now); }

 private:
  std::deque<absl::Duration> taken_;
};

// The whole fleet's brake.
struct FleetBrake {
  // A few hosts that are in trouble together are no sign of a common cause.
  static constexpr int kFewestHosts = 5;

  RateBrake rate;
  // Looks at all hosts for a place elsewhere: one takes 10 ms on a fleet of 10,000.
  static constexpr uint32_t kSearchesPerMinute = 120;
  RateBrake searches;
  int connected_hosts = 0;
  // Hosts with a pair over its threshold, as of each host's last plan.
  int troubled_hosts = 0;

  // Whether so many hosts are in trouble at once that something else must be wrong (a bad release, a bad model).
  bool Tripped(double brake_ratio) const {
    return connected_hosts >= kFewestHosts && troubled_hosts > brake_ratio * connected_hosts;
  }
};

}  // namespace truce::controller
