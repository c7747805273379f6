#include "lab/consolidate/cloud.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

// CloudSim's clock stands there when VMs are made and VMs are looked at.
constexpr double kOffsetSeconds = 0.1;
// What a VM that moves gets of its share, and what its target bears of it.
constexpr double kMovingShare = 0.9;
constexpr double kArrivingShare = 0.1;

}  // namespace

Cloud::Cloud(const DataCentre& centre, Consolidator& consolidator)
    : centre_(centre),
      consolidator_(consolidator),
      vms_(centre.vms.size()),
      hosts_(centre.hosts.size()),
      spans_(centre.vms.size()) {}

double Cloud::Used(size_t host) const {
  return std::min(1.0, hosts_[host].used_mips / centre_.hosts[host].mips());
}

double Cloud::RequestedMips(size_t host) const {
  double sum = 0;
  if (starting_) return sum;
  for (const size_t vm : hosts_[host].vms) sum += vms_[vm].requested_mips;
  return sum;
}

// VmSchedulerTimeSharedOverSubscription: what is asked for up to a core's speed; when that is too much in all, each
// gets the same part of it, in whole MIPS.
std::vector<double> Cloud::Shares(size_t host) const {
  const HostType& type = centre_.hosts[host];
  const Host& state = hosts_[host];
  std::vector<double> shares;
  double sum = 0;
  for (const size_t vm : state.vms) {
    shares.push_back(std::min(vms_[vm].requested_mips, type.core_mips));
    sum += shares.back() * (state.arriving.contains(vm) ? kArrivingShare : 1);
  }
  const double part = sum > type.mips() ? type.mips() / sum : 1;
  for (size_t i = 0; i < shares.size(); ++i) {
    const size_t vm = state.vms[i];
    if (state.arriving.contains(vm)) {
      shares[i] *= kArrivingShare;
    } else if (vms_[vm].moving) {
      shares[i] *= kMovingShare;
    }
    if (part < 1) shares[i] = std::floor(shares[i] * part);
  }
  return shares;
}

double Cloud::GrantedMips(size_t host) const {
  const std::vector<double> shares = Shares(host);
  double sum = 0;
  for (size_t i = 0; i < shares.size(); ++i) {
    sum += shares[i] / (IsArriving(hosts_[host].vms[i], host) ? kArrivingShare : 1);
  }
  return sum;
}

bool Cloud::Suits(size_t vm, size_t host) const {
  const HostType& type = centre_.hosts[host];
  const double requested = vms_[vm].requested_mips;
  if (requested > type.core_mips) return false;
  double taken = 0;
  double memory_mb = 0;
  for (const size_t other : hosts_[host].vms) {
    taken += std::min(vms_[other].requested_mips, type.core_mips) * (IsArriving(other, host) ? kArrivingShare : 1);
    memory_mb += centre_.vms[other].type.memory_mb;
  }
  if (type.mips() - taken < requested) return false;
  return !starting_ || memory_mb + centre_.vms[vm].type.memory_mb <= type.memory_mb;
}

void Cloud::Put(size_t vm, size_t host) {
  hosts_[host].vms.push_back(vm);
  vms_[vm].host = host;
}

void Cloud::Take(size_t vm) {
  std::erase(hosts_[vms_[vm].host].vms, vm);
}

Cloud::Saved Cloud::Save() const {
  Saved saved;
  for (const Host& host : hosts_) saved.push_back(host.vms);
  return saved;
}

void Cloud::Restore(const Saved& saved) {
  for (size_t host = 0; host < hosts_.size(); ++host) {
    hosts_[host].vms = saved[host];
    for (const size_t vm : saved[host]) {
      if (!hosts_[host].arriving.contains(vm)) vms_[vm].host = host;
    }
  }
}

void Cloud::Record(size_t host, double granted, double requested) {
  HostSpan& span = hosts_[host].span;
  if (span.since >= 0 && span.granted > 0) {
    const double passed = now_ - span.since;
    active_seconds_ += passed;
    if (span.granted < span.requested) lacking_seconds_ += passed;
  }
  span = {now_, granted, requested};
}

void Cloud::RecordVm(size_t vm, double granted) {
  VmSpan& span = spans_[vm];
  if (span.since >= 0) {
    const double passed = now_ - span.since;
    requested_ += span.requested * passed;
    granted_ += span.granted * passed;
    if (span.moving) lacking_moving_ += std::max(0.0, span.requested - span.granted) * passed;
  }
  span = {now_, granted, vms_[vm].requested_mips, vms_[vm].moving};
}

void Cloud::UpdateHost(size_t host) {
  Host& state = hosts_[host];
  const std::vector<double> shares = Shares(host);
  state.used_mips_before = state.used_mips;
  state.used_mips = 0;
  double requested = 0;
  for (size_t i = 0; i < shares.size(); ++i) {
    const size_t vm = state.vms[i];
    requested += vms_[vm].requested_mips;
    double used = shares[i];
    if (!state.arriving.contains(vm)) {
      RecordVm(vm, shares[i]);
      if (vms_[vm].moving) used /= kMovingShare;
    }
    state.used_mips += used;
  }
  Record(host, state.used_mips, requested);
}

// HostDynamicWorkload::getCompletedVms: a VM that asks for nothing has done its work and leaves for good, unless it is
// on its way. Of traces that fall to 0 % the rest of the day is not served, in CloudSim's figures as in ours.
void Cloud::LetGo() {
  for (Host& host : hosts_) {
    std::erase_if(host.vms, [&](size_t vm) {
      const bool goes = vms_[vm].requested_mips == 0 && !vms_[vm].moving;
      if (goes) vms_[vm].gone = true;
      return goes;
    });
  }
}

void Cloud::Advance(double seconds) {
  now_ = seconds;
  for (size_t vm = 0; vm < vms_.size(); ++vm) vms_[vm].requested_mips = centre_.vms[vm].RequestedMips(now_);
  for (size_t host = 0; host < hosts_.size(); ++host) UpdateHost(host);
  const double passed = now_ - advanced_to_;
  advanced_to_ = now_;
  if (!(passed > 0)) return;
  for (size_t host = 0; host < hosts_.size(); ++host) {
    const double before = hosts_[host].used_mips_before / centre_.hosts[host].mips();
    // A host that was not in use is off.
    if (before <= 0) continue;
    const HostType& type = centre_.hosts[host];
    joules_ += (type.Watts(before) + type.Watts(Used(host))) / 2 * passed;
  }
  LetGo();
}

void Cloud::Begin(const VmMove& move) {
  const size_t source = vms_[move.vm].host;
  vms_[move.vm].moving = true;
  hosts_[move.host].arriving.insert(move.vm);
  hosts_[move.host].vms.push_back(move.vm);
  UpdateHost(move.host);
  UpdateHost(source);
  ++migrations_;
}

void Cloud::End(const VmMove& move) {
  Take(move.vm);
  std::erase(hosts_[move.host].vms, move.vm);
  hosts_[move.host].arriving.erase(move.vm);
  vms_[move.vm].moving = false;
  Put(move.vm, move.host);
}

absl::Status Cloud::PlaceAll() {
  now_ = kOffsetSeconds;
  for (size_t vm = 0; vm < vms_.size(); ++vm) {
    vms_[vm].requested_mips = centre_.vms[vm].type.mips;
    const auto host = consolidator_.PlaceNew(*this, vm);
    if (!host) {
      return absl::ResourceExhaustedError(
          StrCat("no host has room for VM ", vm, " (", centre_.vms[vm].name, "); give more hosts"));
    }
    Put(vm, *host);
  }
  starting_ = false;
  return absl::OkStatus();
}

// VMs are placed at 0.1 s. From then on, every 300 s: all hosts are looked at, the consolidator decides, its moves
// begin; each ends when its memory is copied, and then all hosts are looked at again.
absl::StatusOr<CloudResult> Cloud::Run() {
  TRUCE_RETURN_IF_ERROR(PlaceAll());
  for (double begins = kOffsetSeconds + kStepSeconds; begins < kDaySeconds; begins += kStepSeconds) {
    Advance(begins);
    std::map<double, std::vector<VmMove>> ends;
    for (const VmMove& move : consolidator_.Decide(*this)) {
      Begin(move);
      const double half_network = centre_.hosts[move.host].network_mbit / 2 / 8;
      ends[begins + centre_.vms[move.vm].type.memory_mb / half_network].push_back(move);
    }
    for (const auto& [seconds, moves] : ends) {
      Advance(seconds);
      for (const VmMove& move : moves) End(move);
      for (size_t host = 0; host < hosts_.size(); ++host) UpdateHost(host);
    }
  }
  CloudResult result;
  result.energy_kwh = joules_ / 3.6e6;
  result.migrations = migrations_;
  result.slatah = active_seconds_ > 0 ? lacking_seconds_ / active_seconds_ : 0;
  result.pdm = requested_ > 0 ? lacking_moving_ / requested_ : 0;
  result.lacking = requested_ > 0 ? (requested_ - granted_) / requested_ : 0;
  result.mean_hosts = active_seconds_ / (now_ - kStepSeconds);
  return result;
}

}  // namespace truce::lab
