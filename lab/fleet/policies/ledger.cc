#include "lab/fleet/policies/ledger.h"

#include <algorithm>

namespace truce::lab::fleet {
namespace {

// Sums of flavours are exact, or nearly so.
constexpr double kRounding = 1e-6;

}  // namespace

void Ledger::SetHosts(const std::vector<HostFacts>& hosts) {
  hosts_ = hosts;
  asked_.assign(hosts.size(), {});
  on_.assign(hosts.size(), {});
}

void Ledger::Count(const Request& request, size_t host, double sign) {
  asked_[host].cpus += sign * request.cpus;
  asked_[host].memory_gib += sign * request.memory_gib;
  if (sign > 0) {
    on_[host].push_back(request.workload);
    if (request.group >= 0) groups_[request.group].push_back(host);
    return;
  }
  on_[host].erase(std::find(on_[host].begin(), on_[host].end(), request.workload));
  if (request.group < 0) return;
  const auto group = groups_.find(request.group);
  group->second.erase(std::find(group->second.begin(), group->second.end(), host));
  if (group->second.empty()) groups_.erase(group);
}

void Ledger::Add(const Request& request, size_t host) {
  placed_[request.workload] = {request, host};
  Count(request, host, 1);
}

void Ledger::Move(int64_t workload, size_t to) {
  Placed& placed = placed_.at(workload);
  Count(placed.request, placed.host, -1);
  placed.host = to;
  Count(placed.request, to, 1);
}

void Ledger::Remove(int64_t workload) {
  const auto it = placed_.find(workload);
  if (it == placed_.end()) return;
  Count(it->second.request, it->second.host, -1);
  placed_.erase(it);
}

const Request* Ledger::Find(int64_t workload) const {
  const auto it = placed_.find(workload);
  return it == placed_.end() ? nullptr : &it->second.request;
}

const std::vector<size_t>& Ledger::HostsOf(int64_t group) const {
  static const std::vector<size_t> none;
  const auto it = groups_.find(group);
  return it == groups_.end() ? none : it->second;
}

bool Ledger::Fits(const Request& request, size_t host) const {
  return FitsWithout(request, host, kNone);
}

bool Ledger::MayMove(int64_t workload, size_t to) const {
  const Placed& placed = placed_.at(workload);
  return placed.host != to && FitsWithout(placed.request, to, placed.host);
}

bool Ledger::FitsWithout(const Request& request, size_t host, size_t leaves) const {
  const Load most = Most(host);
  if (asked_[host].cpus + request.cpus > most.cpus + kRounding) return false;
  if (asked_[host].memory_gib + request.memory_gib > most.memory_gib + kRounding) return false;
  if (request.group < 0) return true;
  // At most a handful.
  const std::vector<size_t>& others = HostsOf(request.group);
  bool new_domain = true;
  std::vector<int32_t> domains;
  for (const size_t other : others) {
    if (other == host) return false;
    if (other == leaves) continue;
    const int32_t domain = hosts_[other].domain;
    new_domain &= domain != hosts_[host].domain;
    if (std::find(domains.begin(), domains.end(), domain) == domains.end()) domains.push_back(domain);
  }
  return std::ssize(domains) >= request.spread || new_domain;
}

}  // namespace truce::lab::fleet
