// What /metrics shows. ControllerCore fills a snapshot; RenderMetrics turns it into Prometheus text.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "controller/learn/live_errors.h"
#include "controller/store/store.h"

namespace truce::controller {

// Counts that only rise; kept by ControllerCore.
struct MetricsCounts {
  std::map<std::string, uint64_t> decisions_by_verdict;
  std::map<std::string, uint64_t> receipts_by_outcome;
  std::map<std::string, uint64_t> refused_by_reason;
  std::map<std::string, uint64_t> migrations_by_outcome;
  std::map<std::string, uint64_t> verified_migrations_by_outcome;
  uint64_t migration_writes_refused = 0;
  uint64_t events = 0;
  uint64_t sessions_opened = 0;
  uint64_t desired_sets_sent = 0;
  uint64_t plans = 0;
  absl::Duration plan_time;
};

struct MetricsSnapshot {
  std::string version;
  MetricsCounts counts;
  uint64_t reports = 0;
  int hosts_connected = 0;
  int hosts_disconnected = 0;
  int hosts_troubled = 0;
  int hosts_held = 0;
  int sessions = 0;
  int64_t workloads = 0;
  int64_t pairs = 0;
  int64_t workloads_drifting = 0;
  uint64_t drift_episodes = 0;
  int64_t baselines = 0;
  int64_t demand_history_values = 0;
  std::map<std::string, uint64_t> retrainings_by_outcome;
  // Whether one goes on.
  bool retraining = false;
  std::map<std::string, int> actions_by_state;
  std::map<std::string, int> migrations_by_phase;
  // The hosts with the worst scores, worst first; at most kWorstHosts, which bounds the label.
  std::vector<std::pair<std::string, double>> worst_hosts;
  // How good forecasts lately were. Bounded by LiveErrors; applications are those with the most forecasts.
  std::vector<LiveErrors::Row> forecasts;
  std::vector<std::pair<std::string, LiveErrors::Errors>> forecasts_by_application;
  // Connected hosts by the SHA-256 of the demand model in use; empty: none. At most kModelsShown.
  std::vector<std::pair<std::string, uint32_t>> hosts_by_model;
  // A word of RolloutPhase.
  std::string rollout_phase;
  StoreStatus store;
};
inline constexpr size_t kApplicationsShown = 50;
inline constexpr size_t kModelsShown = 16;
inline constexpr size_t kWorstHosts = 50;

// Prometheus text format 0.0.4.
std::string RenderMetrics(const MetricsSnapshot& snapshot);

}  // namespace truce::controller
