// Which host suits a workload that has none yet: free CPU and memory, less a penalty where workloads of its class
// already suffer. Pure but for PlacementLedger, the memory of recent placements. ControllerCore answers schedulers with
// it, and the planner looks for a place for what is to be moved.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "controller/fleet/fleet.h"
#include "truce/v1/scheduler.pb.h"

namespace truce::controller {

// CPU and memory that placed workloads will need and that no report shows yet.
struct Demand {
  double cpu_cores = 0;
  double memory_bytes = 0;
};

// InvalidArgument for a demand that is negative or not a number.
absl::Status CheckDescription(const v1::WorkloadDescription& workload);

// score = 100 x (the smaller of the free shares of CPU and memory once the workload is there)
//         - penalty x (worst score of a pair there whose victim is of its class or a higher one),
// at least 0; the penalty is 1 for critical, 0.5 for standard, 0.25 for best effort: a critical workload has most to
// lose where others of its kind already suffer. 0 when it doesn't fit.
v1::HostScore ScoreHost(const HostState& host, const Demand& reserved, const v1::WorkloadDescription& workload);

// Best first: those that fit before those that don't, then by score, then by name.
void Rank(std::vector<v1::HostScore>* scores);

// Remembers placements. Not thread-safe.
class PlacementLedger {
 public:
  static constexpr absl::Duration kReservation = absl::Seconds(60);  // until reports show the workload
  static constexpr absl::Duration kMemory = absl::Minutes(10);
  static constexpr size_t kMostRequests = 10'000;

  // What was answered to this request before.
  std::optional<v1::PlaceResponse> Answered(const std::string& request_id, absl::Duration now);
  void Remember(const std::string& request_id, const v1::PlaceResponse& response,
                const v1::WorkloadDescription& workload, absl::Duration now);
  // What is reserved on the host now.
  Demand Reserved(const std::string& host, absl::Duration now);

 private:
  struct Reservation {
    std::string host;
    Demand demand;
    absl::Duration until;
  };
  struct Answer {
    std::string request_id;
    absl::Duration until;
  };
  void Expire(absl::Duration now);

  std::deque<Reservation> reservations_;
  std::map<std::string, Demand> reserved_;
  std::deque<Answer> order_;
  absl::flat_hash_map<std::string, v1::PlaceResponse> answers_;
};

}  // namespace truce::controller
