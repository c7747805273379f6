// CPU time, throttling, quota and allowed CPUs.
#include "agent/sense/collectors.h"

namespace truce::agent {
namespace {

using host::Controller;
using host::FirstNumber;
using host::FlatKeyed;

// Share of the interval's quota periods that were throttled. Zero when there were periods and none was throttled;
// missing when no quota is in force (no periods pass then).
void SetThrottling(std::string_view stat, WorkloadTotals& totals, absl::Duration now, Sample& sample) {
  const auto periods = FlatKeyed(stat, "nr_periods");
  const auto throttled = FlatKeyed(stat, "nr_throttled");
  if (!periods || !throttled) return;
  const auto period_rate = totals.periods.Update(*periods, now);
  const auto throttled_rate = totals.throttled_periods.Update(*throttled, now);
  if (!period_rate || !throttled_rate) return;
  if (*period_rate > 0) sample.set(Reading::kCpuThrottledRatio, *throttled_rate / *period_rate);
}

}  // namespace

void CollectCpu(Workload& workload, const CollectContext& context, Sample& sample) {
  host::Cgroup& cgroup = *workload.cgroup;
  WorkloadTotals& totals = workload.totals;
  std::optional<double> usage;
  std::optional<double> system;
  bool throttling_seen = false;
  // The unified tree's cpu.stat has the usage of every cgroup even when the cpu controller is elsewhere.
  if (auto stat = cgroup.Read(Controller::kUnified, "cpu.stat", context.buffer); stat.ok()) {
    if (auto total = FlatKeyed(*stat, "usage_usec")) usage = totals.cpu_usage_us.Update(*total, context.now);
    if (auto total = FlatKeyed(*stat, "system_usec")) system = totals.cpu_system_us.Update(*total, context.now);
    if (cgroup.version(Controller::kCpu) == 2) {
      throttling_seen = true;
      SetThrottling(*stat, totals, context.now, sample);
    }
  } else if (auto nanoseconds = cgroup.Read(Controller::kCpuacct, "cpuacct.usage", context.buffer); nanoseconds.ok()) {
    if (auto total = FirstNumber(*nanoseconds)) {
      usage = totals.cpu_usage_us.Update(static_cast<uint64_t>(*total) / 1000, context.now);
    }
  }
  if (usage) {
    sample.set(Reading::kCpuUsageCores, *usage * 1e-6);
    if (system && *usage > 0) sample.set(Reading::kCpuSystemRatio, std::min(1.0, *system / *usage));
  }
  if (!throttling_seen) {
    if (auto stat = cgroup.Read(Controller::kCpu, "cpu.stat", context.buffer); stat.ok()) {
      SetThrottling(*stat, totals, context.now, sample);
    }
  }
}

void CollectCpuLimits(Workload& workload, const CollectContext& context, Sample& sample) {
  host::Cgroup& cgroup = *workload.cgroup;
  if (cgroup.version(Controller::kCpu) == 2) {
    if (auto text = cgroup.ReadRarely(Controller::kCpu, "cpu.max", context.buffer); text.ok()) {
      std::string_view rest = *text;
      const auto quota = FirstNumber(host::NextWord(&rest));
      const auto period = FirstNumber(host::NextWord(&rest));
      if (quota && period && *period > 0)
        sample.set(Reading::kCpuQuotaCores, static_cast<double>(*quota) / static_cast<double>(*period));
    }
  } else if (auto text = cgroup.ReadRarely(Controller::kCpu, "cpu.cfs_quota_us", context.buffer); text.ok()) {
    const auto quota = FirstNumber(*text);
    if (quota && *quota > 0) {
      if (auto period_text = cgroup.ReadRarely(Controller::kCpu, "cpu.cfs_period_us", context.buffer);
          period_text.ok()) {
        const auto period = FirstNumber(*period_text);
        if (period && *period > 0) {
          sample.set(Reading::kCpuQuotaCores, static_cast<double>(*quota) / static_cast<double>(*period));
        }
      }
    }
  }
  const char* effective = cgroup.version(Controller::kCpuset) == 2 ? "cpuset.cpus.effective" : "cpuset.effective_cpus";
  workload.cpus.clear();
  if (auto text = cgroup.ReadRarely(Controller::kCpuset, effective, context.buffer); text.ok()) {
    if (auto cpus = host::ParseCpuList(*text); cpus.ok()) workload.cpus = *std::move(cpus);
  }
  const auto allowed = workload.cpus.empty() ? static_cast<size_t>(context.online_cpus) : workload.cpus.size();
  sample.set(Reading::kCpuAllowedCount, static_cast<double>(allowed));
}

}  // namespace truce::agent
