// The temperature of a search, by how much of its time has passed. Which temperatures matter differs by orders of
// magnitude between problems, and a search that spends its time where everything is accepted, or nothing, finds
// little. So it first cools quickly through all of them, looks at which the cost fell, and then slowly through those.
//
//   descent | pilot: quickly, through all | slowly, through those that matter | descent from the best
//
// What is small is cooled several times over: where it ends is a matter of luck more than of patience.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace truce::controller::pack {

class Cooling {
 public:
  enum class Phase { kFirstDescent, kPilot, kMain, kLastDescent };

  static Phase PhaseAt(double passed);
  // The mean price of a change that makes it dearer, after the first descent.
  void Begin(double mean_uphill);
  // In the pilot and after it; `passed` grows. 0 when it goes downhill only.
  double Temperature(double passed) const;
  // What it costs while the pilot is running.
  void Note(double temperature, int64_t cost);
  // After the pilot; the best that was seen before and in it. Whether to go on from that best: there was no time to get
  // as far again from where everything is accepted. `times`: to cool in the time that is left.
  bool Choose(int64_t best_before, int64_t best, int times);

 private:
  double hottest_ = 0;
  double first_ = 0;
  double last_ = 0;
  int times_ = 1;
  std::vector<std::pair<double, int64_t>> pilot_;
};

}  // namespace truce::controller::pack
