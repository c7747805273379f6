#include "controller/plan/placement.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"
#include "controller/fleet/words.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

double Penalty(v1::WorkloadClass workload_class) {
  switch (ClassRank(workload_class)) {
    case 3:
      return 1;
    case 2:
      return 0.5;
    default:
      return 0.25;
  }
}

}  // namespace

absl::Status CheckDescription(const v1::WorkloadDescription& workload) {
  if (!std::isfinite(workload.cpu_cores()) || workload.cpu_cores() < 0) {
    return absl::InvalidArgumentError(
        StrCat("workload.cpu_cores: ", workload.cpu_cores(), " is no number of cores; 0 or more is expected"));
  }
  return absl::OkStatus();
}

v1::HostScore ScoreHost(const HostState& host, const Demand& reserved, const v1::WorkloadDescription& workload) {
  const double cpus = host.inventory.cpus_size();
  const auto memory = static_cast<double>(host.inventory.memory_bytes());
  const double free_cpu = std::max(0.0, cpus - host.summary.cpu_p95_cores - reserved.cpu_cores);
  const double free_memory = std::max(0.0, memory - host.summary.memory_used_bytes - reserved.memory_bytes);
  const double cpu_left = free_cpu - workload.cpu_cores();
  const double memory_left = free_memory - static_cast<double>(workload.memory_bytes());
  const size_t rank = static_cast<size_t>(ClassRank(workload.workload_class()));
  const double worst = host.summary.worst_score_from_rank[rank];
  v1::HostScore score;
  score.set_host(host.name);
  score.set_free_cpu_cores(free_cpu);
  score.set_free_memory_bytes(static_cast<uint64_t>(free_memory));
  score.set_worst_contention_score(host.summary.worst_score);
  score.set_connected(host.connected);
  score.set_fits(host.connected && cpu_left >= 0 && memory_left >= 0);
  if (!host.connected) {
    score.set_reason("its agent is not connected, so its state is not known");
  } else if (cpu_left < 0) {
    score.set_reason(absl::StrFormat("%.2f cores are free and %.2f are asked for", free_cpu, workload.cpu_cores()));
  } else if (memory_left < 0) {
    score.set_reason(absl::StrFormat("%.0f MiB of memory are free and %.0f MiB are asked for", free_memory / (1 << 20),
                                     static_cast<double>(workload.memory_bytes()) / (1 << 20)));
  } else {
    const double cpu_ratio = cpus > 0 ? cpu_left / cpus : 0;
    const double memory_ratio = memory > 0 ? memory_left / memory : 0;
    const double penalty = Penalty(workload.workload_class()) * worst;
    score.set_score(std::clamp(100 * std::min(cpu_ratio, memory_ratio) - penalty, 0.0, 100.0));
    score.set_reason(absl::StrFormat(
        "with it %.0f %% of the CPUs and %.0f %% of the memory stay free; worst score of "
        "a %s victim or better is %.0f (-%.0f)",
        100 * cpu_ratio, 100 * memory_ratio, std::string(ClassWord(workload.workload_class())), worst, penalty));
  }
  return score;
}

void Rank(std::vector<v1::HostScore>* scores) {
  std::sort(scores->begin(), scores->end(), [](const v1::HostScore& a, const v1::HostScore& b) {
    if (a.fits() != b.fits()) return a.fits();
    if (a.score() != b.score()) return a.score() > b.score();
    return a.host() < b.host();
  });
}

void PlacementLedger::Expire(absl::Duration now) {
  while (!reservations_.empty() && reservations_.front().until <= now) {
    const Reservation& done = reservations_.front();
    const auto it = reserved_.find(done.host);
    it->second.cpu_cores -= done.demand.cpu_cores;
    it->second.memory_bytes -= done.demand.memory_bytes;
    const bool last = std::none_of(reservations_.begin() + 1, reservations_.end(),
                                   [&](const Reservation& other) { return other.host == done.host; });
    if (last) reserved_.erase(it);
    reservations_.pop_front();
  }
  while (!order_.empty() && (order_.front().until <= now || order_.size() > kMostRequests)) {
    answers_.erase(order_.front().request_id);
    order_.pop_front();
  }
}

std::optional<v1::PlaceResponse> PlacementLedger::Answered(const std::string& request_id, absl::Duration now) {
  Expire(now);
  const auto it = answers_.find(request_id);
  if (request_id.empty() || it == answers_.end()) return std::nullopt;
  return it->second;
}

void PlacementLedger::Remember(const std::string& request_id, const v1::PlaceResponse& response,
                               const v1::WorkloadDescription& workload, absl::Duration now) {
  const Demand demand{workload.cpu_cores(), static_cast<double>(workload.memory_bytes())};
  reservations_.push_back({response.chosen().host(), demand, now + kReservation});
  Demand& reserved = reserved_[response.chosen().host()];
  reserved.cpu_cores += demand.cpu_cores;
  reserved.memory_bytes += demand.memory_bytes;
  if (!request_id.empty()) {
    answers_[request_id] = response;
    order_.push_back({request_id, now + kMemory});
  }
  Expire(now);
}

Demand PlacementLedger::Reserved(const std::string& host, absl::Duration now) {
  Expire(now);
  const auto it = reserved_.find(host);
  return it == reserved_.end() ? Demand() : it->second;
}

}  // namespace truce::controller
