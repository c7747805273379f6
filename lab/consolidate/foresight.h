// Truce's consolidation: hosts are filled by what their VMs will probably need, not by what they use now. A VM is moved
// when its host will probably lack CPU time, or when a whole host can be emptied for good; it goes where it fits best.
#pragma once

#include <vector>

#include "lab/consolidate/cloud.h"

namespace truce::lab {

struct ForesightOptions {
  // A host is filled until what its VMs need exceeds its CPU time with the probability that a normal variable exceeds
  // this many standard deviations; and relieved when it does so with that of `relieve_sigmas`.
  double fill_sigmas = 1.0;
  double relieve_sigmas = 0.5;
  // A host is emptied only when the others are filled no further than this by it.
  double empty_sigmas = 1.5;
  // What a VM used counts half after so long.
  double half_life_seconds = 3'600;
  // Its first readings are worth as much beside what VMs use on average as so many.
  double prior_readings = 2;
};

class ForesightPolicy final : public Consolidator {
 public:
  explicit ForesightPolicy(ForesightOptions options) : options_(options) {}
  std::optional<size_t> PlaceNew(const Cloud& cloud, size_t vm) override;
  std::vector<VmMove> Decide(Cloud& cloud) override;

 private:
  // Of the share of its type's CPU that a VM uses.
  struct Use {
    double mean = 0;
    double variance = 0;
    double weight = 0;
  };
  // What all VMs on a host will need, in MIPS.
  struct Need {
    double mean = 0;
    double variance = 0;
    double requested = 0;
    int vms = 0;
  };

  void Learn(const Cloud& cloud);
  void Add(const Cloud& cloud, size_t vm, double sign, Need* need) const;
  double Level(const Need& need, double sigmas) const;
  // The fullest host in use that it fits on; without one, the most efficient that is off. `but` is none of them.
  std::optional<size_t> FindHost(const Cloud& cloud, size_t vm, size_t but, double sigmas, bool may_switch_on) const;
  void Move(const Cloud& cloud, size_t vm, size_t host);
  void Relieve(const Cloud& cloud);
  void Empty(const Cloud& cloud);

  const ForesightOptions options_;
  std::vector<Use> use_;
  // As it will be once the moves are done.
  std::vector<size_t> host_of_;
  std::vector<std::vector<size_t>> on_;
  std::vector<Need> need_;
};

}  // namespace truce::lab
