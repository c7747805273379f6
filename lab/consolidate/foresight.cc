#include "lab/consolidate/foresight.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace truce::lab {
namespace {

constexpr size_t kNone = std::numeric_limits<size_t>::max();

const HostType& TypeOf(const Cloud& cloud, size_t host) {
  return cloud.centre().hosts[host];
}

// Watts for each MIPS when it is full.
double WattsPerMips(const HostType& type) {
  return type.Watts(1) / type.mips();
}

}  // namespace

// New VMs ask for all that they may use: the fullest host that has so much, of the most efficient type.
std::optional<size_t> ForesightPolicy::PlaceNew(const Cloud& cloud, size_t vm) {
  std::optional<size_t> found;
  const auto better = [&](size_t host) {
    const double watts = WattsPerMips(TypeOf(cloud, host));
    const double watts_found = WattsPerMips(TypeOf(cloud, *found));
    if (watts != watts_found) return watts < watts_found;
    return cloud.On(host).size() > cloud.On(*found).size();
  };
  for (size_t host = 0; host < cloud.centre().hosts.size(); ++host) {
    if (cloud.Suits(vm, host) && (!found || better(host))) found = host;
  }
  return found;
}

// Exponentially weighted mean and variance; what all VMs use now stands for what is not known of one yet.
void ForesightPolicy::Learn(const Cloud& cloud) {
  const auto used = [&](size_t vm) { return cloud.vm(vm).requested_mips / cloud.centre().vms[vm].type.mips; };
  std::vector<size_t> vms;
  for (size_t vm = 0; vm < cloud.centre().vms.size(); ++vm) {
    if (!cloud.vm(vm).gone) vms.push_back(vm);
  }
  if (use_.empty() && !vms.empty()) {
    const auto count = static_cast<double>(vms.size());
    double mean = 0;
    for (const size_t vm : vms) mean += used(vm) / count;
    double variance = 0;
    for (const size_t vm : vms) variance += (used(vm) - mean) * (used(vm) - mean) / count;
    use_.assign(cloud.centre().vms.size(), {mean, variance, options_.prior_readings});
  }
  const double fade = std::exp2(-kStepSeconds / options_.half_life_seconds);
  for (const size_t vm : vms) {
    Use& use = use_[vm];
    use.weight = use.weight * fade + 1;
    const double step = (used(vm) - use.mean) / use.weight;
    use.variance = (1 - 1 / use.weight) * (use.variance + step * (used(vm) - use.mean));
    use.mean += step;
  }
}

void ForesightPolicy::Add(const Cloud& cloud, size_t vm, double sign, Need* need) const {
  const double mips = cloud.centre().vms[vm].type.mips;
  need->mean += sign * mips * use_[vm].mean;
  need->variance += sign * mips * mips * use_[vm].variance;
  need->requested += sign * cloud.vm(vm).requested_mips;
  need->vms += sign > 0 ? 1 : -1;
}

double ForesightPolicy::Level(const Need& need, double sigmas) const {
  return need.mean + sigmas * std::sqrt(std::max(0.0, need.variance));
}

std::optional<size_t> ForesightPolicy::FindHost(const Cloud& cloud, size_t vm, size_t but, double sigmas,
                                                bool may_switch_on) const {
  std::optional<size_t> found;
  double least_left = std::numeric_limits<double>::max();
  std::optional<size_t> off;
  for (size_t host = 0; host < on_.size(); ++host) {
    const HostType& type = TypeOf(cloud, host);
    if (host == but || cloud.vm(vm).requested_mips > type.core_mips) continue;
    if (need_[host].vms == 0) {
      if (!off || WattsPerMips(type) < WattsPerMips(TypeOf(cloud, *off))) off = host;
      continue;
    }
    Need then = need_[host];
    Add(cloud, vm, 1, &then);
    const double left = type.mips() - std::max(Level(then, sigmas), then.requested);
    if (left < 0 || left >= least_left) continue;
    least_left = left;
    found = host;
  }
  if (!found && may_switch_on) return off;
  return found;
}

void ForesightPolicy::Move(const Cloud& cloud, size_t vm, size_t host) {
  const size_t from = host_of_[vm];
  std::erase(on_[from], vm);
  Add(cloud, vm, -1, &need_[from]);
  on_[host].push_back(vm);
  Add(cloud, vm, 1, &need_[host]);
  host_of_[vm] = host;
}

// Hosts that will lack CPU time give VMs away, not those that lack it for a moment: moving costs more than that. Those
// go that are copied soonest and lose least by it for what they relieve.
void ForesightPolicy::Relieve(const Cloud& cloud) {
  for (size_t host = 0; host < on_.size(); ++host) {
    const double mips = TypeOf(cloud, host).mips();
    if (Level(need_[host], options_.relieve_sigmas) <= mips) continue;
    std::vector<size_t> vms = on_[host];
    const auto price = [&](size_t vm) {
      const VmType& type = cloud.centre().vms[vm].type;
      return type.memory_mb * (1 + cloud.vm(vm).requested_mips) / (1 + type.mips * use_[vm].mean);
    };
    std::sort(vms.begin(), vms.end(), [&](size_t a, size_t b) { return price(a) < price(b); });
    for (const size_t vm : vms) {
      if (Level(need_[host], options_.fill_sigmas) <= mips) break;
      if (const auto to = FindHost(cloud, vm, host, options_.fill_sigmas, true)) Move(cloud, vm, *to);
    }
  }
}

// Empties hosts whose VMs all fit on others in use: the least efficient first, and of those the emptiest.
void ForesightPolicy::Empty(const Cloud& cloud) {
  std::vector<size_t> hosts;
  for (size_t host = 0; host < on_.size(); ++host) {
    if (need_[host].vms > 0) hosts.push_back(host);
  }
  const auto order = [&](size_t host) { return std::pair(-WattsPerMips(TypeOf(cloud, host)), need_[host].mean); };
  std::sort(hosts.begin(), hosts.end(), [&](size_t a, size_t b) { return order(a) < order(b); });
  for (const size_t host : hosts) {
    std::vector<size_t> vms = on_[host];
    std::sort(vms.begin(), vms.end(), [&](size_t a, size_t b) {
      return use_[a].mean * cloud.centre().vms[a].type.mips > use_[b].mean * cloud.centre().vms[b].type.mips;
    });
    std::vector<size_t> moved;
    for (const size_t vm : vms) {
      const auto to = FindHost(cloud, vm, host, options_.empty_sigmas, false);
      if (!to) break;
      Move(cloud, vm, *to);
      moved.push_back(vm);
    }
    if (moved.size() == vms.size()) continue;
    for (const size_t vm : moved) Move(cloud, vm, host);
  }
}

std::vector<VmMove> ForesightPolicy::Decide(Cloud& cloud) {
  Learn(cloud);
  const size_t hosts = cloud.centre().hosts.size();
  on_.assign(hosts, {});
  need_.assign(hosts, {});
  host_of_.assign(cloud.centre().vms.size(), kNone);
  for (size_t host = 0; host < hosts; ++host) {
    on_[host] = cloud.On(host);
    for (const size_t vm : on_[host]) {
      host_of_[vm] = host;
      Add(cloud, vm, 1, &need_[host]);
    }
  }
  const std::vector<size_t> before = host_of_;
  Relieve(cloud);
  Empty(cloud);
  std::vector<VmMove> moves;
  for (size_t vm = 0; vm < before.size(); ++vm) {
    if (host_of_[vm] != before[vm]) moves.push_back({vm, host_of_[vm]});
  }
  return moves;
}

}  // namespace truce::lab
