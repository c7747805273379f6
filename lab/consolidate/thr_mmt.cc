#include "lab/consolidate/thr_mmt.h"

#include <algorithm>
#include <limits>

namespace truce::lab {
namespace {

double MipsOf(const Cloud& cloud, size_t host) {
  return cloud.centre().hosts[host].mips();
}

std::vector<size_t> Movable(const Cloud& cloud, size_t host) {
  std::vector<size_t> vms;
  for (const size_t vm : cloud.On(host)) {
    if (!cloud.vm(vm).moving) vms.push_back(vm);
  }
  return vms;
}

// The least used host of those that are neither excluded nor emptied or filled already.
std::optional<size_t> LeastUsed(const Cloud& cloud, const std::set<size_t>& excluded) {
  double least = 1;
  std::optional<size_t> found;
  for (size_t host = 0; host < cloud.centre().hosts.size(); ++host) {
    if (excluded.contains(host)) continue;
    const double used = cloud.Used(host);
    if (!(used > 0 && used < least)) continue;
    if (Movable(cloud, host).empty()) continue;
    least = used;
    found = host;
  }
  return found;
}

}  // namespace

bool ThrMmt::IsOver(const Cloud& cloud, size_t host, double more_mips) const {
  return (cloud.RequestedMips(host) + more_mips) / MipsOf(cloud, host) > threshold_;
}

std::optional<size_t> ThrMmt::FindHost(const Cloud& cloud, size_t vm, const std::set<size_t>& excluded) const {
  double least = std::numeric_limits<double>::max();
  std::optional<size_t> found;
  for (size_t host = 0; host < cloud.centre().hosts.size(); ++host) {
    if (excluded.contains(host) || !cloud.Suits(vm, host)) continue;
    const double requested = cloud.vm(vm).requested_mips;
    const double granted = cloud.GrantedMips(host);
    if (granted != 0 && IsOver(cloud, host, requested)) continue;
    const double used = (granted + requested) / MipsOf(cloud, host);
    if (used > 1) continue;
    const HostType& type = cloud.centre().hosts[host];
    const double more = type.Watts(used) - type.Watts(cloud.Used(host));
    if (more >= least) continue;
    least = more;
    found = host;
  }
  return found;
}

std::optional<size_t> ThrMmt::PlaceNew(const Cloud& cloud, size_t vm) {
  return FindHost(cloud, vm, {});
}

std::vector<VmMove> ThrMmt::Place(Cloud& cloud, std::vector<size_t> vms, const std::set<size_t>& excluded,
                                  bool all_or_none) const {
  std::stable_sort(vms.begin(), vms.end(),
                   [&](size_t a, size_t b) { return cloud.vm(a).requested_mips > cloud.vm(b).requested_mips; });
  std::vector<VmMove> moves;
  for (const size_t vm : vms) {
    if (const auto host = FindHost(cloud, vm, excluded)) {
      // A VM that was tried out somewhere stays on its host's list there too, as CloudSim leaves it.
      moves.push_back({vm, *host});
      cloud.Put(vm, *host);
    } else if (all_or_none) {
      for (const VmMove& move : moves) cloud.Take(move.vm);
      return {};
    }
  }
  return moves;
}

std::vector<VmMove> ThrMmt::FromOver(Cloud& cloud, const std::set<size_t>& over) const {
  std::vector<size_t> leave;
  for (const size_t host : over) {
    do {
      const std::vector<size_t> vms = Movable(cloud, host);
      if (vms.empty()) break;
      const size_t fastest = *std::min_element(vms.begin(), vms.end(), [&](size_t a, size_t b) {
        return cloud.centre().vms[a].type.memory_mb < cloud.centre().vms[b].type.memory_mb;
      });
      leave.push_back(fastest);
      cloud.Take(fastest);
    } while (IsOver(cloud, host));
  }
  return Place(cloud, std::move(leave), over, false);
}

std::vector<VmMove> ThrMmt::FromUnder(Cloud& cloud, const std::set<size_t>& over) const {
  std::vector<VmMove> all;
  std::set<size_t> off;
  for (size_t host = 0; host < cloud.centre().hosts.size(); ++host) {
    if (cloud.Used(host) == 0) off.insert(host);
  }
  std::set<size_t> not_emptied = over;
  not_emptied.insert(off.begin(), off.end());
  std::set<size_t> not_filled = not_emptied;
  while (const auto host = LeastUsed(cloud, not_emptied)) {
    not_emptied.insert(*host);
    not_filled.insert(*host);
    const std::vector<size_t> vms = Movable(cloud, *host);
    const std::vector<VmMove> moves = Place(cloud, vms, not_filled, true);
    for (const VmMove& move : moves) not_emptied.insert(move.host);
    all.insert(all.end(), moves.begin(), moves.end());
  }
  return all;
}

std::vector<VmMove> ThrMmt::Decide(Cloud& cloud) {
  std::set<size_t> over;
  for (size_t host = 0; host < cloud.centre().hosts.size(); ++host) {
    if (IsOver(cloud, host)) over.insert(host);
  }
  const Cloud::Saved saved = cloud.Save();
  std::vector<VmMove> moves = FromOver(cloud, over);
  const std::vector<VmMove> more = FromUnder(cloud, over);
  moves.insert(moves.end(), more.begin(), more.end());
  cloud.Restore(saved);
  return moves;
}

}  // namespace truce::lab
