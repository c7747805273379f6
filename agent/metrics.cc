#include "agent/metrics.h"

#include <httplib.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/synchronization/mutex.h"
#include "src/base/enum_words.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::agent {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// Workloads beyond this many get no labelled rows of their own, so that the endpoint stays bounded.
constexpr size_t kMostLabelledWorkloads = 1000;

using Labels = std::vector<ClientMetric::Label>;

// Collects families in the order in which they are added.
class Page {
 public:
  void Gauge(const std::string& name, const std::string& help, double value, Labels labels = {}) {
    Add(MetricType::Gauge, name, help, value, std::move(labels));
  }
  void Counter(const std::string& name, const std::string& help, double value, Labels labels = {}) {
    Add(MetricType::Counter, name, help, value, std::move(labels));
  }
  std::string Text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  void Add(MetricType type, const std::string& name, const std::string& help, double value, Labels labels) {
    if (families_.empty() || families_.back().name != name) families_.push_back({name, help, type, {}});
    ClientMetric metric;
    metric.label = std::move(labels);
    if (type == MetricType::Counter) {
      metric.counter.value = value;
    } else {
      metric.gauge.value = value;
    }
    families_.back().metric.push_back(std::move(metric));
  }
  std::vector<MetricFamily> families_;
};

void AddSelf(const MetricsSnapshot& snapshot, Page& page) {
  page.Gauge("truce_agent_build_info", "Version of the agent, in a label.", 1, {{"version", snapshot.version}});
  page.Counter("truce_agent_ticks_total", "Sampling ticks.", static_cast<double>(snapshot.ticks));
  page.Counter("truce_agent_ticks_late_total", "Ticks that began more than half an interval late.",
               static_cast<double>(snapshot.ticks_late));
  page.Gauge("truce_agent_tick_seconds", "Length of the last tick.", absl::ToDoubleSeconds(snapshot.tick_length));
  page.Gauge("truce_agent_cpu_cores", "CPU time that the agent uses.", snapshot.agent_cpu_cores);
  page.Gauge("truce_agent_resident_bytes", "Resident memory of the agent.",
             static_cast<double>(snapshot.agent_resident_bytes));
  page.Gauge("truce_agent_workloads", "Workloads that the agent watches.",
             static_cast<double>(snapshot.workloads.size()));
  page.Gauge("truce_agent_workloads_left_out", "Workloads that it does not watch: over the limit, or not readable.",
             snapshot.workloads_left_out);
  page.Gauge("truce_agent_pairs_left_out",
             "Pairs with a score that the last report does not hold, since it holds enough.",
             static_cast<double>(snapshot.pairs_left_out));
  if (!snapshot.model_version.empty()) {
    page.Gauge("truce_agent_model_info", "The interference model in use.", 1, {{"version", snapshot.model_version}});
  }
  for (const std::string& missing : snapshot.missing) {
    page.Gauge("truce_agent_missing_capability", "Signals and controls that this host does not have.", 1,
               {{"name", missing}});
  }
}

void AddDisks(const MetricsSnapshot& snapshot, Page& page) {
  // A family's rows come one after the other.
  const auto add = [&](const char* name, const char* help, const auto& value) {
    for (const MetricsSnapshot::DiskRow& disk : snapshot.disks) {
      if (const std::optional<double> number = value(disk)) page.Gauge(name, help, *number, {{"disk", disk.name}});
    }
  };
  for (const MetricsSnapshot::DiskRow& disk : snapshot.disks) {
    page.Gauge("truce_disk_knowledge_info", "Where what is said of the disk comes from.", 1,
               {{"disk", disk.name}, {"knowledge", disk.knowledge}});
  }
  add("truce_disk_utilisation_ratio", "Share of what the disk can do, at the mix of now, that is asked of it.",
      [](const auto& disk) { return disk.utilisation_ratio; });
  add("truce_disk_headroom_unloaded_ratio",
      "Multiple of the load of now at which the 99th percentile of latency is twice that of the unloaded disk.",
      [](const auto& disk) { return disk.until_doubled_unloaded; });
  add("truce_disk_headroom_now_ratio",
      "Multiple of the load of now at which the 99th percentile of latency is twice that of now.",
      [](const auto& disk) { return disk.until_doubled_now; });
}

void AddPmu(const MetricsSnapshot& snapshot, Page& page) {
  page.Gauge("truce_agent_pmu_available", "Whether hardware counters can be read.", snapshot.pmu_available ? 1 : 0);
  page.Gauge("truce_agent_pmu_level_info", "What the governor counts, in a label.", 1, {{"level", snapshot.pmu_level}});
  page.Gauge("truce_agent_pmu_duty_ratio", "Share of time in which counters are on.", snapshot.pmu_duty_ratio);
  page.Gauge("truce_agent_pmu_overhead_ratio",
             "Share of the host's CPU time that counting costs other programs, estimated.",
             snapshot.pmu_overhead_ratio);
  page.Gauge("truce_agent_pmu_switch_cost_seconds", "Calibrated cost of a switch between counted cgroups.",
             snapshot.pmu_switch_cost_seconds);
  page.Gauge("truce_agent_pmu_counted_workloads", "Workloads whose counters are open now.",
             snapshot.pmu_counted_workloads);
}

void AddLink(const MetricsSnapshot& snapshot, Page& page) {
  page.Gauge("truce_agent_controller_connected", "Whether the controller is connected.",
             snapshot.controller_connected ? 1 : 0);
  page.Counter("truce_agent_controller_connects_total", "Times that a stream was opened and welcomed.",
               static_cast<double>(snapshot.controller_connects));
  page.Counter("truce_agent_reports_sent_total", "Reports sent.", static_cast<double>(snapshot.reports_sent));
  page.Counter("truce_agent_reports_dropped_total", "Reports dropped because the spool was full.",
               static_cast<double>(snapshot.reports_dropped));
  page.Counter("truce_agent_receipts_dropped_total", "Receipts dropped because the spool was full.",
               static_cast<double>(snapshot.receipts_dropped));
  page.Counter("truce_agent_messages_refused_total", "Messages of the controller that made no sense.",
               static_cast<double>(snapshot.messages_refused));
}

void AddActions(const MetricsSnapshot& snapshot, Page& page) {
  page.Gauge("truce_agent_held", "Whether an operator put the host on hold.", snapshot.held ? 1 : 0);
  for (const auto& [lever, count] : snapshot.actions_in_force) {
    page.Gauge("truce_agent_actions", "Leased actions in force.", count, {{"lever", lever}});
  }
  page.Counter("truce_agent_actions_refused_total", "Actions that the guard refused.",
               static_cast<double>(snapshot.actions_refused));
  for (const auto& [outcome, count] : snapshot.receipts_by_outcome) {
    page.Counter("truce_agent_receipts_total", "Actions that ended, by outcome.", static_cast<double>(count),
                 {{"outcome", outcome}});
  }
}

void AddWorkloads(const MetricsSnapshot& snapshot, Page& page) {
  for (const auto& [bound, count] : snapshot.pairs_at_least) {
    page.Gauge("truce_agent_pairs", "Ordered pairs whose contention score is at least the bound.", count,
               {{"score_at_least", StrCat(bound)}});
  }
  const size_t rows = std::min(snapshot.workloads.size(), kMostLabelledWorkloads);
  auto labels = [&](size_t i) -> Labels {
    return {{"workload", snapshot.workloads[i].name}, {"class", EnumWord(snapshot.workloads[i].workload_class)}};
  };
  for (size_t i = 0; i < rows; ++i) {
    page.Gauge("truce_workload_cpu_usage_cores", "CPU time used in the last interval.",
               snapshot.workloads[i].cpu_usage_cores, labels(i));
  }
  for (size_t i = 0; i < rows; ++i) {
    if (!snapshot.workloads[i].known) continue;
    page.Gauge("truce_workload_slowdown_ratio", "Estimated slowdown against the workload's baseline.",
               snapshot.workloads[i].slowdown_ratio, labels(i));
  }
  for (size_t i = 0; i < rows; ++i) {
    if (!snapshot.workloads[i].known) continue;
    page.Gauge("truce_workload_contention_score", "Worst contention score that the workload has as a victim, 0-100.",
               snapshot.workloads[i].worst_score, labels(i));
  }
}

class HttpMetricsServer final : public MetricsServer {
 public:
  HttpMetricsServer(absl::Duration stale_after, const Clock& clock) : stale_after_(stale_after), clock_(clock) {}
  ~HttpMetricsServer() override {
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }

  absl::Status Start(const std::string& host, int port) {
    // Scrapes are rare and short, so two workers do; but no client may keep one to itself, by an idle connection or a
    // request that never ends.
    server_.new_task_queue = [] { return new httplib::ThreadPool(2); };
    server_.set_keep_alive_max_count(1);
    server_.set_read_timeout(2);
    server_.set_payload_max_length(4096);
    // The library would share a port with whoever else asks to share it, and scrapes would land on either.
    server_.set_socket_options([](socket_t socket) {
      const int yes = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    server_.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
      absl::MutexLock lock(&mutex_);
      response.set_content(FormatMetrics(snapshot_), "text/plain; version=0.0.4");
    });
    server_.Get("/healthz", [this](const httplib::Request&, httplib::Response& response) {
      absl::MutexLock lock(&mutex_);
      const bool fresh = snapshot_.ticks > 0 && clock_.Monotonic() - snapshot_.taken_at <= stale_after_;
      response.status = fresh ? 200 : 503;
      response.set_content(fresh ? "ok\n" : "the tick loop has not finished a tick lately\n", "text/plain");
    });
    port_ = port == 0 ? server_.bind_to_any_port(host.c_str()) : (server_.bind_to_port(host.c_str(), port) ? port : -1);
    if (port_ < 0) {
      return absl::UnavailableError(StrCat("cannot listen on ", host, ":", port,
                                           " for metrics; choose another metrics.listen, or port 0 for a free one"));
    }
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    // stop() does nothing before the accept loop runs.
    while (!server_.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return absl::OkStatus();
  }

  void Publish(MetricsSnapshot snapshot) override {
    absl::MutexLock lock(&mutex_);
    snapshot_ = std::move(snapshot);
  }
  int port() const override { return port_; }

 private:
  const absl::Duration stale_after_;
  const Clock& clock_;
  httplib::Server server_;
  std::thread thread_;
  int port_ = -1;
  absl::Mutex mutex_;
  MetricsSnapshot snapshot_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::string FormatMetrics(const MetricsSnapshot& snapshot) {
  Page page;
  AddSelf(snapshot, page);
  AddPmu(snapshot, page);
  AddDisks(snapshot, page);
  if (snapshot.controller_enabled) AddLink(snapshot, page);
  AddActions(snapshot, page);
  AddWorkloads(snapshot, page);
  return page.Text();
}

absl::StatusOr<std::unique_ptr<MetricsServer>> StartMetricsServer(const std::string& listen, absl::Duration stale_after,
                                                                  const Clock& clock) {
  const size_t colon = listen.rfind(':');
  int port = 0;
  if (colon == std::string::npos || !absl::SimpleAtoi(listen.substr(colon + 1), &port) || port < 0 || port > 65535) {
    return absl::InvalidArgumentError(StrCat("metrics.listen '", listen, "' is not host:port, such as 127.0.0.1:9477"));
  }
  auto server = std::make_unique<HttpMetricsServer>(stale_after, clock);
  TRUCE_RETURN_IF_ERROR(server->Start(listen.substr(0, colon), port));
  return server;
}

}  // namespace truce::agent
