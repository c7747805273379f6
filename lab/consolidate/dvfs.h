// The baseline that CloudSim calls DVFS: a VM stays on the first host that has room for all of it, and what a host that
// is in use draws follows its load. Its energy depends on the set-up and the simulation alone.
#pragma once

#include "lab/consolidate/cloud.h"

namespace truce::lab {

class Dvfs final : public Consolidator {
 public:
  std::optional<size_t> PlaceNew(const Cloud& cloud, size_t vm) override;
  std::vector<VmMove> Decide(Cloud&) override { return {}; }
};

}  // namespace truce::lab
