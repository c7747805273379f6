// What platform resource managers do (Intel's PRM): as soon as the victim suffers, the aggressor drops to a minimum,
// and regains a little after each while of calm. Here as a baseline for Truce. Pure.
#pragma once

#include <optional>

#include "models/baseline.h"
#include "src/base/reading.h"

namespace truce::lab {

class DropAndRegain {
 public:
  // `cores` of the host.
  explicit DropAndRegain(double cores) : cores_(cores) {}
  // A sample of the victim alone.
  void LearnAlone(const Sample& victim);
  // A sample of the victim beside the aggressor: the aggressor's quota for the next second, in cores; none: no limit.
  std::optional<double> Regulate(const Sample& victim);
  // Whether the last call dropped it.
  bool dropped() const { return dropped_; }

 private:
  const double cores_;
  Baseline wait_{600, 0.02};
  std::optional<double> quota_;
  int calm_seconds_ = 0;
  bool dropped_ = false;
};

}  // namespace truce::lab
