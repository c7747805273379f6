#include "controller/serve/history.h"

namespace truce::controller {

MinuteHistory::Rows MinuteHistory::Add(const HostState& host, absl::Time now) {
  Rows rows;
  Minute& minute = minutes_[host.name];
  const absl::Time start = absl::FromUnixSeconds(absl::ToUnixSeconds(now) / 60 * 60);
  if (minute.start != start) {
    for (const auto& [pair, sum] : minute.pairs) {
      rows.pairs.push_back(
          {minute.start, host.name, pair.first, pair.second, sum.total / sum.count, sum.most, sum.count});
    }
    for (const auto& [workload, sum] : minute.workloads) {
      rows.workloads.push_back({minute.start, host.name, workload, sum.total / sum.count, sum.most, sum.count});
    }
    minute = Minute{.start = start};
  }
  for (const auto& pair : host.report.pairs()) minute.pairs[{pair.victim(), pair.aggressor()}].Add(pair.score());
  for (const auto& workload : host.report.workloads()) {
    if (const auto usage = HostState::CpuUsage(workload)) minute.workloads[workload.workload().name()].Add(*usage);
  }
  return rows;
}

}  // namespace truce::controller
