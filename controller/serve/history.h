// Sums up scores and CPU use minute by minute, so that the store gets one row per pair and workload and minute instead
// of one per report. Owned by ControllerCore.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "controller/fleet/fleet.h"
#include "controller/store/database.h"

namespace truce::controller {

class MinuteHistory {
 public:
  struct Rows {
    std::vector<PairMinute> pairs;
    std::vector<WorkloadMinute> workloads;
  };

  // Adds the host's last report. When it opens a new minute, the host's finished minute is returned.
  Rows Add(const HostState& host, absl::Time now);

 private:
  struct Sum {
    double total = 0;
    double most = 0;
    int count = 0;
    void Add(double value) {
      total += value;
      most = count == 0 ? value : (value > most ? value : most);
      ++count;
    }
  };
  struct Minute {
    absl::Time start;
    absl::flat_hash_map<std::pair<std::string, std::string>, Sum> pairs;
    absl::flat_hash_map<std::string, Sum> workloads;
  };

  absl::flat_hash_map<std::string, Minute> minutes_;
};

}  // namespace truce::controller
