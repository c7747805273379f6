// In which steps a workload is made to give memory back: down towards what is wanted, never below what it works with,
// up again when it suffers. Pure; the actuator asks once a step.
//
// One write of a much lower memory.high makes the kernel reclaim all of it at once, in the writer's time and the
// workload's; steps keep both short, and show whether the last one hurt before the next is taken.
//
// A virtual machine is squeezed by its balloon: a memory.high would make the host swap the guest, which knows nothing
// of it. Its memory is what its guest has, and its working set what the guest says that it can't do without.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "src/host/balloon.h"

namespace truce::agent {

// What is read of a workload's memory; nullopt where a reading is missing.
struct MemoryState {
  std::optional<uint64_t> usage_bytes;
  // Of that, what was touched recently.
  std::optional<uint64_t> working_set_bytes;
  // PSI: share of the last interval in which all its tasks waited for memory.
  std::optional<double> stalled_ratio;
  // Never below this, whatever it works with.
  uint64_t floor_bytes = 0;
  // A balloon: memory comes as its guest gives it, so the next step waits until half of the last one is there.
  bool gives_slowly = false;
};

// A virtual machine's memory, as the steps want it. `cgroup` is what is read of the hypervisor's cgroup: while the
// guest doesn't tell, all that it was charged for counts as worked with.
MemoryState MemoryOfMachine(const host::BalloonState& machine, const MemoryState& cgroup);

struct SqueezeOptions {
  absl::Duration step_interval = absl::Seconds(2);
  // Of what it uses, and at least so much.
  double step_ratio = 0.05;
  uint64_t least_step_bytes = uint64_t{8} << 20;
  // It keeps so much more than its working set.
  double margin_ratio = 0.05;
  // A workload that stalls so much more of its time than before it was squeezed suffers. One that fills what there is
  // to fill waits for the kernel to take its oldest pages back, squeezed or not, and that is no harm by itself.
  double stalled_ratio = 0.15;
  // One that stalls more than that to begin with is not squeezed at all.
  double most_stalled_ratio = 0.3;
};

// How far a squeeze has come.
struct Squeeze {
  // The bound in force; nullopt before the first step.
  std::optional<uint64_t> bound_bytes;
  // It suffered below this.
  uint64_t floor_bytes = 0;
  // How much it stalled before the first step.
  double stalled_before = 0;
};

// The next step on the way to `goal_bytes`; the same bound when it has come as far as it may. Before the first step:
// nullopt when the workload must not be squeezed, because it stalls a lot already or its memory is not known.
std::optional<Squeeze> NextSqueeze(uint64_t goal_bytes, const Squeeze& squeeze, const MemoryState& memory,
                                   const SqueezeOptions& options);

}  // namespace truce::agent
