// Simulates a day of a data centre whose VMs are consolidated, as CloudSim 3.0.3's power package does, so that results
// can be held against what others published with it: CPU time is granted in equal shares when a host has too little,
// a VM that moves gets a tenth less, its target bears a tenth of it, copying takes as long as its memory over half of
// the network, and a VM that asks for nothing when it is looked at leaves for good. See Cloud::Run for what happens
// when.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "lab/consolidate/setup.h"

namespace truce::lab {

class Cloud;

struct VmMove {
  size_t vm = 0;
  size_t host = 0;
};

// Decides in a simulation. It sees what a controller would: what was asked for until now.
class Consolidator {
 public:
  virtual ~Consolidator() = default;
  // Where a new VM goes, when it asks for all of its type; nullopt when there is no room. Cloud::Suits(vm, host) holds
  // for the answer.
  virtual std::optional<size_t> PlaceNew(const Cloud& cloud, size_t vm) = 0;
  // What is to move now, every kStepSeconds. May try things out in `cloud`, and leaves it as it was.
  virtual std::vector<VmMove> Decide(Cloud& cloud) = 0;
};

struct CloudResult {
  double energy_kwh = 0;
  int64_t migrations = 0;
  // Of the time that hosts are in use, the share in which one has less than it is asked for.
  double slatah = 0;
  // Of the CPU time that is asked for, what VMs lack while they move.
  double pdm = 0;
  double slav() const { return slatah * pdm; }
  // Of the CPU time that is asked for, what is not granted.
  double lacking = 0;
  double mean_hosts = 0;
};

class Cloud {
 public:
  struct Vm {
    double requested_mips = 0;
    bool moving = false;
    // It asked for nothing and has left for good.
    bool gone = false;
    // Where it runs; while it moves, where it comes from.
    size_t host = 0;
  };

  // `centre` and `consolidator` outlive it.
  Cloud(const DataCentre& centre, Consolidator& consolidator);
  // ResourceExhausted when a VM finds no host.
  absl::StatusOr<CloudResult> Run();

  const DataCentre& centre() const { return centre_; }
  double now() const { return now_; }
  const Vm& vm(size_t vm) const { return vms_[vm]; }
  // VMs on the host, with those that are on their way to it.
  const std::vector<size_t>& On(size_t host) const { return hosts_[host].vms; }
  bool IsArriving(size_t vm, size_t host) const { return hosts_[host].arriving.contains(vm); }
  // CPU share in use, 0 to 1, as of the last time that the simulation looked at the host.
  double Used(size_t host) const;
  // What its VMs ask for; of new ones nothing is known yet.
  double RequestedMips(size_t host) const;
  // What they get, and what those that are on their way to it will get.
  double GrantedMips(size_t host) const;
  // Whether there is a core that is fast enough, and as much CPU and memory left as the VM asks for.
  bool Suits(size_t vm, size_t host) const;

  // To try something out: as if the VM were there, or nowhere. What was tried ends with Restore(Save() of before).
  void Put(size_t vm, size_t host);
  void Take(size_t vm);
  using Saved = std::vector<std::vector<size_t>>;
  Saved Save() const;
  void Restore(const Saved& saved);

 private:
  // A state that holds since then, and is added up when it ends. A later one of the same moment takes its place.
  struct HostSpan {
    double since = -1;
    double granted = 0;
    double requested = 0;
  };
  struct VmSpan {
    double since = -1;
    double granted = 0;
    double requested = 0;
    bool moving = false;
  };
  struct Host {
    std::vector<size_t> vms;
    std::set<size_t> arriving;
    double used_mips = 0;
    double used_mips_before = 0;
    double memory_mb = 0;
    HostSpan span;
  };

  absl::Status PlaceAll();
  void Begin(const VmMove& move);
  void End(const VmMove& move);
  // All hosts at the moment, and the energy since the last time.
  void Advance(double seconds);
  void UpdateHost(size_t host);
  void LetGo();
  // In the order of host.vms.
  std::vector<double> Shares(size_t host) const;
  void Record(size_t host, double granted, double requested);
  void RecordVm(size_t vm, double granted);

  const DataCentre& centre_;
  Consolidator& consolidator_;
  std::vector<Vm> vms_;
  std::vector<Host> hosts_;
  std::vector<VmSpan> spans_;
  // VMs are being placed and ask for all of their type, memory too: later it is asked for no memory at all.
  bool starting_ = true;
  double now_ = 0;
  double advanced_to_ = 0;
  double joules_ = 0;
  int64_t migrations_ = 0;
  double active_seconds_ = 0;
  double lacking_seconds_ = 0;
  double requested_ = 0;
  double granted_ = 0;
  double lacking_moving_ = 0;
};

}  // namespace truce::lab
