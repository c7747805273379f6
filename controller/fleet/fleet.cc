#include "controller/fleet/fleet.h"

#include <algorithm>
#include <utility>

#include "controller/fleet/forecasts.h"
#include "controller/fleet/words.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

// Agents don't report more seldom (score.interval is bounded); a larger claim is nonsense.
constexpr absl::Duration kLongestReportInterval = absl::Minutes(1);
// Nor read anything more seldom (sample.slow_every times sample.interval).
constexpr absl::Duration kLongestSlowInterval = absl::Minutes(10);

std::string PairKey(std::string_view victim, std::string_view aggressor) {
  return StrCat(victim, "\n", aggressor);
}

void Summarise(HostState& host) {
  HostSummary summary;
  for (const auto& workload : host.report.workloads()) {
    const auto& readings = workload.readings();
    summary.cpu_p95_cores += HostState::CpuP95(workload);
    summary.cpu_usage_cores += readings.cpu_usage_cores();
    summary.memory_used_bytes +=
        readings.has_memory_working_set_bytes() ? readings.memory_working_set_bytes() : readings.memory_usage_bytes();
    if (readings.has_host_cpu_busy_ratio()) summary.cpu_busy_ratio = readings.host_cpu_busy_ratio();
  }
  for (const auto& pair : host.report.pairs()) {
    summary.worst_score = std::max(summary.worst_score, pair.score());
    const v1::WorkloadReport* victim = host.Find(pair.victim());
    const int rank = victim == nullptr ? 1 : ClassRank(victim->workload().workload_class());
    for (int i = 1; i <= rank; ++i) {
      double& worst = summary.worst_score_from_rank[static_cast<size_t>(i)];
      worst = std::max(worst, pair.score());
    }
  }
  host.summary = summary;
}

void Index(HostState& host) {
  host.workload_index.clear();
  for (int i = 0; i < host.report.workloads_size(); ++i) {
    host.workload_index[host.report.workloads(i).workload().name()] = i;
  }
  host.pair_index.clear();
  for (int i = 0; i < host.report.pairs_size(); ++i) {
    const auto& pair = host.report.pairs(i);
    host.pair_index[PairKey(pair.victim(), pair.aggressor())] = i;
  }
}

}  // namespace

const v1::WorkloadReport* HostState::Find(std::string_view workload) const {
  const auto it = workload_index.find(AbslView(workload));
  return it == workload_index.end() ? nullptr : &report.workloads(it->second);
}

const v1::PairScore* HostState::FindPair(std::string_view victim, std::string_view aggressor) const {
  const auto it = pair_index.find(PairKey(victim, aggressor));
  return it == pair_index.end() ? nullptr : &report.pairs(it->second);
}

std::optional<double> HostState::CpuUsage(const v1::WorkloadReport& workload) {
  if (!workload.readings().has_cpu_usage_cores()) return std::nullopt;
  return workload.readings().cpu_usage_cores();
}

double HostState::CpuP95(const v1::WorkloadReport& workload) {
  if (workload.fingerprint().p95().has_cpu_usage_cores()) return workload.fingerprint().p95().cpu_usage_cores();
  return workload.readings().cpu_usage_cores();
}

absl::StatusOr<Fleet::Accepted> Fleet::OnHello(uint64_t session, const v1::Hello& hello, Moment now) {
  if (hello.protocol_version() != kProtocolVersion) {
    ++refused_["protocol_version"];
    return absl::FailedPreconditionError(StrCat(
        "agent of host \"", hello.inventory().host(), "\" speaks protocol version ", hello.protocol_version(),
        ", this controller speaks version ", kProtocolVersion, "; install agent and controller of the same release"));
  }
  if (auto refusal = Count(CheckHello(hello, options_.limits))) {
    return absl::InvalidArgumentError(StrCat("hello refused: ", refusal->detail));
  }
  const auto [it, is_new] = hosts_.try_emplace(hello.inventory().host());
  HostState& host = it->second;
  Accepted accepted{.host = &host};
  if (is_new) {
    host.name = it->first;
    host.first_seen = now;
    accepted.away = absl::InfiniteDuration();
  } else {
    accepted.away = host.connected ? absl::ZeroDuration() : now.monotonic - host.last_heard.monotonic;
  }
  if (host.session != 0) {
    accepted.replaced_session = host.session;
    sessions_.erase(host.session);
  }
  host.inventory = hello.inventory();
  host.agent_mode = hello.mode() == v1::MODE_UNSPECIFIED ? v1::MODE_OBSERVE : hello.mode();
  // A host that states no ceiling has not agreed to more than it runs at.
  host.mode_ceiling = hello.mode_ceiling() == v1::MODE_UNSPECIFIED ? host.agent_mode : hello.mode_ceiling();
  host.report_interval = std::clamp(ToDuration(hello.report_interval()), absl::ZeroDuration(), kLongestReportInterval);
  host.slow_interval = hello.has_slow_interval()
                           ? std::clamp(ToDuration(hello.slow_interval()), absl::ZeroDuration(), kLongestSlowInterval)
                           : kLongestSlowInterval;
  host.connected = true;
  host.reported = false;
  host.session = session;
  host.last_heard = now;
  host.held.assign(hello.held().begin(), hello.held().end());
  host.migrations = hello.migrations();
  for (const auto& [reason, count] : LeaveOutUnsound(&host.migrations).by_reason) {
    refused_[std::string(reason)] += count;
  }
  sessions_[session] = &host;
  return accepted;
}

std::optional<Refusal> Fleet::OnReport(HostState& host, v1::Report report, Moment now) {
  // A refused report is still a sign of life.
  host.last_heard = now;
  LeftOut left_out = LeaveOutUnsound(options_.limits, &report);
  if (auto refusal = Count(CheckReport(report, options_.limits))) return refusal;
  for (const auto& [reason, count] : left_out.by_reason) refused_[std::string(reason)] += count;
  host.left_out = std::move(left_out.first);
  for (auto& workload : *report.mutable_workloads()) {
    const auto known = host.workload_index.find(workload.workload().name());
    if (known != host.workload_index.end()) {
      // Both times are of the agent's clock.
      KeepForecasts(std::move(*host.report.mutable_workloads(known->second)), ToTime(report.sampled_at()), &workload);
    }
  }
  host.report = std::move(report);
  host.held.assign(host.report.held().begin(), host.report.held().end());
  host.migrations = host.report.migrations();
  host.last_report_at = now;
  host.reported = true;
  ++reports_;
  Index(host);
  Summarise(host);
  return std::nullopt;
}

std::optional<Refusal> Fleet::OnReceipts(const v1::ReceiptBatch& batch) {
  return Count(CheckReceipts(batch, options_.limits));
}

std::optional<Refusal> Fleet::OnResult(const v1::DesiredSetResult& result) {
  return Count(CheckResult(result, options_.limits));
}

HostState* Fleet::OnClosed(uint64_t session, Moment now) {
  const auto it = sessions_.find(session);
  if (it == sessions_.end()) return nullptr;
  HostState* host = it->second;
  sessions_.erase(it);
  host->connected = false;
  host->session = 0;
  host->last_heard = now;
  return host;
}

std::vector<std::pair<HostState*, uint64_t>> Fleet::DropSilent(Moment now) {
  std::vector<std::pair<HostState*, uint64_t>> dropped;
  for (const auto& [session, host] : sessions_) {
    const absl::Duration limit =
        std::max(options_.report_interval, host->report_interval) * options_.missed_report_limit;
    if (now.monotonic - host->last_heard.monotonic > limit) dropped.emplace_back(host, session);
  }
  for (const auto& [host, session] : dropped) {
    sessions_.erase(session);
    host->connected = false;
    host->session = 0;
    host->last_heard = now;
  }
  return dropped;
}

HostState* Fleet::Find(std::string_view host) {
  const auto it = hosts_.find(host);
  return it == hosts_.end() ? nullptr : &it->second;
}

const HostState* Fleet::Find(std::string_view host) const {
  const auto it = hosts_.find(host);
  return it == hosts_.end() ? nullptr : &it->second;
}

HostState* Fleet::OfSession(uint64_t session) {
  const auto it = sessions_.find(session);
  return it == sessions_.end() ? nullptr : it->second;
}

std::optional<Refusal> Fleet::Count(std::optional<Refusal> refusal) {
  if (refusal.has_value()) ++refused_[std::string(refusal->reason)];
  return refusal;
}

}  // namespace truce::controller
