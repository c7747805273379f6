// What the agent costs and shows: its own CPU time and memory, and the snapshot behind /metrics. The rest of the class
// is in agent.cc.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "agent/agent.h"
#include "src/base/enum_words.h"

namespace truce::agent {
namespace {

double OwnCpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

uint64_t OwnResidentBytes() {
  const auto text = host::ReadFile("/proc/self/statm");
  if (!text.ok()) return 0;
  std::string_view rest = *text;
  host::NextWord(&rest);
  return static_cast<uint64_t>(host::FirstNumber(host::NextWord(&rest)).value_or(0)) *
         static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

void Agent::MeasureCost() {
  const double cpu_seconds = OwnCpuSeconds();
  const absl::Duration now = clock_.Monotonic();
  const double elapsed = absl::ToDoubleSeconds(now - last_cost_at_);
  if (last_cost_at_ != absl::ZeroDuration() && elapsed > 0) {
    cost_.set_cpu_cores((cpu_seconds - cpu_seconds_at_last_cost_) / elapsed);
  }
  cpu_seconds_at_last_cost_ = cpu_seconds;
  last_cost_at_ = now;
  cost_.set_resident_bytes(OwnResidentBytes());
  const host::CounterStatus pmu = counters_->status();
  cost_.set_pmu_overhead_ratio(pmu.overhead_ratio);
  cost_.set_pmu_duty_ratio(pmu.duty_ratio);
  cost_.set_pmu_level(std::string(host::CounterLevelName(pmu.level)));
}

void Agent::PublishMetrics() {
  if (metrics_ == nullptr) return;
  MetricsSnapshot snapshot;
  snapshot.taken_at = clock_.Monotonic();
  snapshot.version = TRUCE_VERSION;
  snapshot.ticks = ticks_;
  snapshot.ticks_late = ticks_late_;
  snapshot.tick_length = last_tick_length_;
  snapshot.agent_cpu_cores = cost_.cpu_cores();
  snapshot.agent_resident_bytes = cost_.resident_bytes();
  snapshot.workloads_left_out = sampler_->left_out();
  snapshot.pairs_left_out = scores_.pairs_left_out;
  for (int bound : {1, 20, 40, 60, 80}) snapshot.pairs_at_least[bound] = 0;
  std::map<std::string, double> worst;
  for (const v1::PairScore& pair : scores_.pairs) {
    worst[pair.victim()] = std::max(worst[pair.victim()], pair.score());
    for (auto& [bound, count] : snapshot.pairs_at_least) count += pair.score() >= bound ? 1 : 0;
  }
  snapshot.workloads.reserve(sampler_->workloads().size());
  for (const auto& [key, workload] : sampler_->workloads()) {
    MetricsSnapshot::WorkloadRow& row = snapshot.workloads.emplace_back();
    row.name = workload->identity.name;
    row.workload_class = workload->identity.workload_class;
    row.cpu_usage_cores = workload->sample.value_or(Reading::kCpuUsageCores, 0);
    if (auto verdict = scores_.verdicts.find(key); verdict != scores_.verdicts.end()) {
      row.known = verdict->second.slowdown_ratio.has_value();
      row.slowdown_ratio = verdict->second.slowdown_ratio.value_or(0);
      if (auto score = worst.find(row.name); score != worst.end()) row.worst_score = score->second;
    }
  }
  for (const v1::DeviceHeadroom& device : devices_->headrooms()) {
    MetricsSnapshot::DiskRow& row = snapshot.disks.emplace_back();
    row.name = device.name();
    row.knowledge = EnumWord(device.knowledge());
    if (device.has_utilisation_ratio()) row.utilisation_ratio = device.utilisation_ratio();
    if (device.has_until_doubled_unloaded()) row.until_doubled_unloaded = device.until_doubled_unloaded().factor();
    if (device.has_until_doubled_now()) row.until_doubled_now = device.until_doubled_now().factor();
  }
  if (model_ != nullptr && model_->scorer() != nullptr) snapshot.model_version = model_->scorer()->version();
  const host::CounterStatus pmu = counters_->status();
  snapshot.pmu_level = std::string(host::CounterLevelName(pmu.level));
  snapshot.pmu_available = pmu.pmu_available;
  snapshot.pmu_duty_ratio = pmu.duty_ratio;
  snapshot.pmu_overhead_ratio = pmu.overhead_ratio;
  snapshot.pmu_switch_cost_seconds = absl::ToDoubleSeconds(pmu.switch_cost);
  snapshot.pmu_counted_workloads = pmu.counted_workloads;
  for (const auto& missing : inventory_.missing()) snapshot.missing.push_back(missing.name());
  snapshot.controller_enabled = link_ != nullptr;
  if (link_ != nullptr) {
    const LinkStatus status = link_->status();
    snapshot.controller_connected = status.connected;
    snapshot.controller_connects = status.connects;
    snapshot.reports_sent = status.reports_sent;
    snapshot.reports_dropped = status.reports_dropped;
    snapshot.receipts_dropped = status.receipts_dropped;
    snapshot.messages_refused = status.messages_refused;
  }
  snapshot.held = hold_;
  for (const std::string& lever : EnumWords<v1::Lever>()) snapshot.actions_in_force[lever] = 0;
  for (const v1::HeldAction& held : actuator_->held()) {
    if (!held.unrestored()) ++snapshot.actions_in_force[EnumWord(held.action().lever())];
  }
  snapshot.actions_refused = actions_refused_;
  snapshot.receipts_by_outcome = receipts_by_outcome_;
  metrics_->Publish(std::move(snapshot));
}

}  // namespace truce::agent
