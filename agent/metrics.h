// The agent's /metrics and /healthz. The tick thread publishes a snapshot; the server's thread formats it when asked,
// so a scrape never touches live state.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/base/clock.h"
#include "truce/v1/types.pb.h"

namespace truce::agent {

struct MetricsSnapshot {
  struct WorkloadRow {
    std::string name;
    v1::WorkloadClass workload_class = v1::WORKLOAD_CLASS_UNSPECIFIED;
    double cpu_usage_cores = 0;
    double slowdown_ratio = 0;
    double worst_score = 0;
    bool known = false;
  };
  absl::Duration taken_at;
  std::string version;
  uint64_t ticks = 0;
  uint64_t ticks_late = 0;
  absl::Duration tick_length;
  double agent_cpu_cores = 0;
  uint64_t agent_resident_bytes = 0;
  std::vector<WorkloadRow> workloads;
  int workloads_left_out = 0;
  uint64_t pairs_left_out = 0;
  // Number of scored pairs at or above 1, 20, 40, 60, 80.
  std::map<int, int> pairs_at_least;
  struct DiskRow {
    std::string name;
    // Nothing else is there while it is not known; no factor while nothing is asked of it.
    std::string knowledge;
    std::optional<double> utilisation_ratio;
    std::optional<double> until_doubled_unloaded;
    std::optional<double> until_doubled_now;
  };
  std::vector<DiskRow> disks;
  // Of the interference model in use; empty: none.
  std::string model_version;
  std::string pmu_level;
  bool pmu_available = false;
  double pmu_duty_ratio = 0;
  double pmu_overhead_ratio = 0;
  double pmu_switch_cost_seconds = 0;
  int pmu_counted_workloads = 0;
  std::vector<std::string> missing;
  bool controller_enabled = false;
  bool controller_connected = false;
  uint64_t controller_connects = 0;
  uint64_t reports_sent = 0;
  uint64_t reports_dropped = 0;
  uint64_t receipts_dropped = 0;
  uint64_t messages_refused = 0;
  bool held = false;
  // By lever name and by outcome name.
  std::map<std::string, int> actions_in_force;
  std::map<std::string, uint64_t> receipts_by_outcome;
  uint64_t actions_refused = 0;
};

class MetricsServer {
 public:
  virtual ~MetricsServer() = default;
  virtual void Publish(MetricsSnapshot snapshot) = 0;
  // The port it listens on.
  virtual int port() const = 0;
};

// Serves on `listen` ("host:port", port 0 for a free one). /healthz is 200 while snapshots are younger than
// `stale_after`. `clock` outlives the server.
absl::StatusOr<std::unique_ptr<MetricsServer>> StartMetricsServer(const std::string& listen, absl::Duration stale_after,
                                                                  const Clock& clock);

// The text of a snapshot in Prometheus's exposition format.
std::string FormatMetrics(const MetricsSnapshot& snapshot);

}  // namespace truce::agent
