// The consolidation that others are compared with: a fixed threshold on use, and the VM that moves fastest goes first
// (THR-MMT of Beloglazov and Buyya, CCPE 24(13), 2012, sections 5.1 to 5.3), as CloudSim 3.0.3 has it.
#pragma once

#include <set>

#include "lab/consolidate/cloud.h"

namespace truce::lab {

class ThrMmt final : public Consolidator {
 public:
  explicit ThrMmt(double threshold = 0.8) : threshold_(threshold) {}
  std::optional<size_t> PlaceNew(const Cloud& cloud, size_t vm) override;
  std::vector<VmMove> Decide(Cloud& cloud) override;

 private:
  bool IsOver(const Cloud& cloud, size_t host, double more_mips = 0) const;
  // The host whose power rises least.
  std::optional<size_t> FindHost(const Cloud& cloud, size_t vm, const std::set<size_t>& excluded) const;
  std::vector<VmMove> FromOver(Cloud& cloud, const std::set<size_t>& over) const;
  std::vector<VmMove> FromUnder(Cloud& cloud, const std::set<size_t>& over) const;
  // Puts all of them elsewhere, or, when they must go together, none.
  std::vector<VmMove> Place(Cloud& cloud, std::vector<size_t> vms, const std::set<size_t>& excluded,
                            bool all_or_none) const;

  const double threshold_;
};

}  // namespace truce::lab
