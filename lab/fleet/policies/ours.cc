#include "lab/fleet/policies/ours.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace truce::lab::fleet {
namespace {

using controller::pack::PlaceDemand;
using controller::pack::PlaceHost;

// Of its flavour, what a workload uses of which nothing is known at all.
constexpr double kUnknownUse = 0.5;
// Of the newest, in what is believed of an application: as far back as a hundred reports.
constexpr double kNewest = 0.01;

void MixIn(double newest, const Signature& signature, Signature* mean) {
  for (size_t r = 0; r < kEffects; ++r) {
    mean->hurts[r] += newest * (signature.hurts[r] - mean->hurts[r]);
    mean->suffers[r] += newest * (signature.suffers[r] - mean->suffers[r]);
  }
}

}  // namespace

Ours::Ours(OursOptions options)
    : options_(std::move(options)), ledger_(options_.overcommit), index_({.fullness = options_.fullness}) {}

void Ours::OnHosts(const std::vector<HostFacts>& hosts) {
  ledger_.SetHosts(hosts);
  for (size_t host = 0; host < hosts.size(); ++host) Refresh(host);
  index_.Arrange();
}

Ours::Believed Ours::Guess(const Request& request) const {
  const auto application = static_cast<size_t>(request.application);
  const Seen* seen = application < applications_.size() ? &applications_[application] : &all_;
  Believed guess;
  guess.signature = Trusted(seen->signatures > 0 ? seen->signature : all_.signature);
  if (seen->readings == 0) seen = &all_;
  guess.p95_cores = request.cpus * (seen->readings > 0 ? seen->used : kUnknownUse);
  return guess;
}

Signature Ours::Trusted(Signature said) const {
  const auto draw = [this](Effects* figures, const Effects& means) {
    for (size_t r = 0; r < kEffects; ++r) {
      double& one = (*figures)[r];
      if (one > 0 && means[r] > 0) one = means[r] * std::pow(one / means[r], options_.trust);
    }
  };
  draw(&said.hurts, all_.signature.hurts);
  draw(&said.suffers, all_.signature.suffers);
  return said;
}

Effects Ours::Suffers(const Request& request, const Believed& believed) const {
  Effects suffers{};
  if (!options_.pairs) return suffers;
  const double weight = options_.class_weights[static_cast<size_t>(request.workload_class)];
  for (size_t r = 0; r < kEffects; ++r) {
    const double mean = all_.signature.hurts[r];
    suffers[r] = mean > 0 ? weight * believed.signature.suffers[r] / mean : 0;
  }
  return suffers;
}

Effects Ours::Hurts(const Believed& believed) {
  Effects hurts = believed.signature.hurts;
  for (double& one : hurts) one *= believed.p95_cores;
  return hurts;
}

void Ours::Refresh(size_t host) {
  const HostFacts& facts = ledger_.hosts()[host];
  const Load most = ledger_.Most(host);
  const Load& asked = ledger_.asked(host);
  PlaceHost state;
  state.capacity = {most.cpus, most.memory_gib, options_.most_p95_ratio * facts.cpus};
  double p95 = 0;
  for (const int64_t workload : ledger_.on(host)) {
    const Believed& believed = believed_.at(workload);
    const Effects suffers = Suffers(*ledger_.Find(workload), believed);
    const Effects hurts = Hurts(believed);
    p95 += believed.p95_cores;
    for (size_t r = 0; r < kEffects; ++r) {
      state.suffers[r] += suffers[r] / facts.cpus;
      state.hurts[r] += hurts[r] / facts.cpus;
    }
  }
  state.free = {most.cpus - asked.cpus, most.memory_gib - asked.memory_gib, state.capacity[kP95] - p95};
  index_.Put(static_cast<int32_t>(host), state);
}

void Ours::OnArrival(const Request& request, size_t host) {
  ledger_.Add(request, host);
  believed_[request.workload] = Guess(request);
  Refresh(host);
}

void Ours::OnMoved(const Move& move) {
  ledger_.Move(move.workload, move.to);
  Refresh(move.from);
  Refresh(move.to);
}

void Ours::OnDeparture(int64_t workload) {
  if (ledger_.Find(workload) == nullptr) return;
  const size_t host = ledger_.HostOf(workload);
  ledger_.Remove(workload);
  believed_.erase(workload);
  Refresh(host);
}

void Ours::OnReport(const HostReport& report) {
  for (const WorkloadReport& workload : report.workloads) {
    const Request* request = ledger_.Find(workload.workload);
    if (request == nullptr) continue;
    const auto application = static_cast<size_t>(request->application);
    if (application >= applications_.size()) applications_.resize(application + 1);
    Believed& believed = believed_.at(workload.workload);
    believed.p95_cores = workload.cpu_p95_cores;
    const double used = workload.cpu_p95_cores / request->cpus;
    for (Seen* seen : {&applications_[application], &all_}) {
      seen->readings += 1;
      seen->used += std::max(kNewest, 1 / seen->readings) * (used - seen->used);
      if (!workload.signature) continue;
      seen->signatures += 1;
      MixIn(1 / seen->signatures, *workload.signature, &seen->signature);
    }
    if (workload.signature) {
      believed.signature = Trusted(*workload.signature);
      believed.is_signed = true;
    } else if (!believed.is_signed) {
      believed.signature = Guess(*request).signature;
    }
  }
  Refresh(report.host);
  if (index_.changes() > 4 * index_.hosts()) index_.Arrange();
}

absl::StatusOr<std::optional<size_t>> Ours::Place(const Request& request) {
  const Believed believed = Guess(request);
  PlaceDemand demand;
  demand.demand = {request.cpus, request.memory_gib, believed.p95_cores};
  const Effects suffers = Suffers(request, believed);
  const Effects hurts = Hurts(believed);
  std::copy(suffers.begin(), suffers.end(), demand.suffers.begin());
  std::copy(hurts.begin(), hurts.end(), demand.hurts.begin());
  const auto allows = [&](int32_t host) { return ledger_.Fits(request, static_cast<size_t>(host)); };
  auto best = index_.Best(demand, 1, allows);
  if (best.empty()) {
    // CPU time will be short wherever it goes; the rules of all policies still hold.
    demand.demand[kP95] = 0;
    best = index_.Best(demand, 1, allows);
  }
  if (best.empty()) return std::optional<size_t>();
  return std::optional<size_t>(static_cast<size_t>(best[0].host));
}

}  // namespace truce::lab::fleet
