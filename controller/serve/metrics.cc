#include "controller/serve/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <string_view>

#include "controller/learn/rollout_words.h"
#include "src/base/enum_words.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

class Families {
 public:
  void Open(std::string_view name, std::string_view help, MetricType type) {
    MetricFamily& family = families_.emplace_back();
    family.name = StrCat("truce_controller_", name);
    family.help = std::string(help);
    family.type = type;
  }
  void Value(double value, std::vector<prometheus::ClientMetric::Label> labels = {}) {
    prometheus::ClientMetric metric;
    metric.label = std::move(labels);
    if (families_.back().type == MetricType::Counter) {
      metric.counter.value = value;
    } else {
      metric.gauge.value = value;
    }
    families_.back().metric.push_back(std::move(metric));
  }
  void Gauge(std::string_view name, std::string_view help, double value) {
    Open(name, help, MetricType::Gauge);
    Value(value);
  }
  void Counter(std::string_view name, std::string_view help, double value) {
    Open(name, help, MetricType::Counter);
    Value(value);
  }
  template <typename Map>
  void ByLabel(std::string_view name, std::string_view help, MetricType type, const std::string& label,
               const Map& values) {
    Open(name, help, type);
    for (const auto& [key, value] : values) Value(static_cast<double>(value), {{label, std::string(key)}});
  }
  std::string Text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  std::vector<MetricFamily> families_;
};

std::string ModelLabel(const std::string& sha256) {
  return sha256.empty() ? "none" : ShortSha(sha256);
}

void AddForecasts(const MetricsSnapshot& snapshot, Families& families) {
  const auto labels = [](const LiveErrors::Row& row) {
    return std::vector<prometheus::ClientMetric::Label>{{"model", ModelLabel(row.model)},
                                                        {"horizon", StrCat(absl::ToInt64Seconds(row.ahead), "s")},
                                                        {"resource", EnumWord(row.resource)}};
  };
  const auto shown = [](const LiveErrors::Errors& errors) { return errors.sum.naive_loss > 0; };
  families.Open(
      "forecast_loss_ratio",
      "Loss of the forecasts that lately came due over that of the last value's, by demand model, horizon and "
      "resource.",
      MetricType::Gauge);
  for (const auto& row : snapshot.forecasts) {
    if (shown(row.errors)) families.Value(row.errors.sum.Ratio(), labels(row));
  }
  families.Open("forecast_above_p95_ratio", "Share of them whose p95 was exceeded; 0.05 is right.", MetricType::Gauge);
  for (const auto& row : snapshot.forecasts) families.Value(row.errors.AboveRatio(), labels(row));
  families.Open("application_forecast_loss_ratio",
                "The same of the applications with the most forecasts, over all models, horizons and resources.",
                MetricType::Gauge);
  for (const auto& [application, errors] : snapshot.forecasts_by_application) {
    if (shown(errors)) families.Value(errors.sum.Ratio(), {{"application", application}});
  }
  families.Open("model_hosts", "Connected hosts by the demand model in use.", MetricType::Gauge);
  for (const auto& [model, hosts] : snapshot.hosts_by_model) families.Value(hosts, {{"model", ModelLabel(model)}});
  families.Open("rollout_phase", "1 for where the rollout of demand models stands.", MetricType::Gauge);
  if (!snapshot.rollout_phase.empty()) families.Value(1, {{"phase", snapshot.rollout_phase}});
}

}  // namespace

std::string RenderMetrics(const MetricsSnapshot& snapshot) {
  const auto& counts = snapshot.counts;
  const auto number = [](auto value) { return static_cast<double>(value); };
  Families families;
  families.Open("build_info", "The controller's version; always 1.", MetricType::Gauge);
  families.Value(1, {{"version", snapshot.version}});
  families.Open("hosts", "Known hosts by whether their agent is connected.", MetricType::Gauge);
  families.Value(snapshot.hosts_connected, {{"state", "connected"}});
  families.Value(snapshot.hosts_disconnected, {{"state", "disconnected"}});
  families.Gauge("hosts_troubled", "Hosts with a pair at or above its trigger score.", snapshot.hosts_troubled);
  families.Gauge("hosts_held", "Known hosts that an operator put on hold.", snapshot.hosts_held);
  families.Gauge("sessions", "Open agent streams.", snapshot.sessions);
  families.Gauge("workloads", "Workloads in the last reports.", number(snapshot.workloads));
  families.Gauge("pairs", "Scored pairs in the last reports.", number(snapshot.pairs));
  families.Gauge("workloads_drifting", "Workloads that have left their usual ways.",
                 number(snapshot.workloads_drifting));
  families.Gauge("baselines", "Baselines of applications.", number(snapshot.baselines));
  families.Gauge("demand_history_values", "Values of what workloads used that the demand model is retrained on.",
                 number(snapshot.demand_history_values));
  families.Gauge("retraining", "1 while the demand model is retrained.", snapshot.retraining ? 1 : 0);
  families.ByLabel("retrainings_total", "Retrainings of the demand model by outcome.", MetricType::Counter, "outcome",
                   snapshot.retrainings_by_outcome);
  families.Counter("sessions_opened_total", "Agent streams opened.", number(counts.sessions_opened));
  families.Counter("reports_total", "Reports accepted.", number(snapshot.reports));
  families.ByLabel("refused_messages_total", "Messages of agents that were refused, by reason.", MetricType::Counter,
                   "reason", counts.refused_by_reason);
  families.Counter("desired_sets_sent_total", "Desired sets sent.", number(counts.desired_sets_sent));
  families.Counter("plans_total", "Planning rounds of one host.", number(counts.plans));
  families.Counter("plan_seconds_total", "Time spent planning.", absl::ToDoubleSeconds(counts.plan_time));
  families.Counter("drift_episodes_total", "Times that a workload left its usual ways.",
                   number(snapshot.drift_episodes));
  families.ByLabel("decisions_total", "Decisions by verdict.", MetricType::Counter, "verdict",
                   counts.decisions_by_verdict);
  families.ByLabel("actions", "Wanted actions by state.", MetricType::Gauge, "state", snapshot.actions_by_state);
  families.ByLabel("receipts_total", "Receipts of ended actions by outcome.", MetricType::Counter, "outcome",
                   counts.receipts_by_outcome);
  families.ByLabel("migrations", "Migrations that are proposed or under way, by phase.", MetricType::Gauge, "phase",
                   snapshot.migrations_by_phase);
  families.ByLabel("migrations_total", "Migrations that ended, by outcome.", MetricType::Counter, "outcome",
                   counts.migrations_by_outcome);
  families.ByLabel("verified_migrations_total", "Ends of migrations that were looked at again, by outcome.",
                   MetricType::Counter, "outcome", counts.verified_migrations_by_outcome);
  families.Counter("migration_writes_refused_total",
                   "Tries to write a migration's phase that the store refused; its next order waits for it.",
                   number(counts.migration_writes_refused));
  AddForecasts(snapshot, families);
  families.Counter("events_total", "Events recorded.", number(counts.events));
  families.Gauge("store_queue", "Writes that wait for the store.", snapshot.store.queued);
  families.Counter("store_writes_total", "Writes stored.", number(snapshot.store.written));
  families.Counter("store_dropped_total", "Writes dropped because the queue was full.", number(snapshot.store.dropped));
  families.Counter("store_failed_total", "Writes that the database refused.", number(snapshot.store.failed));
  families.ByLabel("host_worst_score", "Worst contention score, 0-100, of the hosts where it is highest.",
                   MetricType::Gauge, "host", snapshot.worst_hosts);
  return families.Text();
}

}  // namespace truce::controller
