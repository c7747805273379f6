// The golden /metrics: what dashboards rely on. TRUCE_BLESS=1 writes the file anew.
#include "controller/serve/metrics.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace truce::controller {
namespace {

TEST(MetricsTest, MatchesTheGoldenPage) {
  MetricsSnapshot snapshot;
  snapshot.version = "1.2.3";
  snapshot.counts.decisions_by_verdict = {{"apply", 3}, {"leave_alone", 12}, {"release", 2}};
  snapshot.counts.receipts_by_outcome = {{"released", 2}};
  snapshot.counts.refused_by_reason = {{"not_a_number", 1}, {"out_of_range", 4}};
  snapshot.counts.events = 20;
  snapshot.counts.sessions_opened = 5;
  snapshot.counts.desired_sets_sent = 400;
  snapshot.counts.plans = 380;
  snapshot.counts.plan_time = absl::Milliseconds(38);
  snapshot.reports = 377;
  snapshot.hosts_connected = 3;
  snapshot.hosts_disconnected = 1;
  snapshot.hosts_troubled = 1;
  snapshot.hosts_held = 1;
  snapshot.sessions = 3;
  snapshot.workloads = 60;
  snapshot.pairs = 17;
  snapshot.workloads_drifting = 2;
  snapshot.drift_episodes = 9;
  snapshot.baselines = 11;
  snapshot.demand_history_values = 5'000;
  snapshot.retrainings_by_outcome = {{"failed", 0}, {"kept", 2}, {"promoted", 1}};
  snapshot.actions_by_state = {{"applied", 1}, {"pending", 1}};
  snapshot.migrations_by_phase = {{"moving", 1}, {"proposed", 2}};
  snapshot.counts.migrations_by_outcome = {{"moved", 3}, {"rolled_back", 1}, {"uncertain", 1}, {"withdrawn", 2}};
  snapshot.counts.verified_migrations_by_outcome = {{"moved", 1}};
  snapshot.worst_hosts = {{"web-1", 91.5}, {"web-2", 12}};
  snapshot.forecasts = {
      {std::string(64, 'a'), absl::Seconds(30), v1::RESOURCE_CPU, {{100, 80, 100, 50}, 4}},
      {"", absl::Minutes(5), v1::RESOURCE_MEMORY, {{10, 0, 0, 0}, 1}},
  };
  snapshot.forecasts_by_application = {{"cache", {{100, 75, 100, 50}, 4}}};
  snapshot.hosts_by_model = {{std::string(64, 'a'), 3}, {"", 1}};
  snapshot.rollout_phase = "canary";
  snapshot.store = {.queued = 4, .written = 900, .dropped = 2, .failed = 1};
  const std::string page = RenderMetrics(snapshot);
  const std::string golden = std::string(TRUCE_SOURCE_DIR) + "/tests/controller/serve/golden/metrics.txt";
  if (std::getenv("TRUCE_BLESS") != nullptr) std::ofstream(golden) << page;
  std::ifstream file(golden);
  std::stringstream expected;
  expected << file.rdbuf();
  EXPECT_EQ(page, expected.str());
}

}  // namespace
}  // namespace truce::controller
