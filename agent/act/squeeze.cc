#include "agent/act/squeeze.h"

#include <algorithm>

#include "agent/act/guard.h"

namespace truce::agent {

MemoryState MemoryOfMachine(const host::BalloonState& machine, const MemoryState& cgroup) {
  std::optional<uint64_t> needed;
  if (machine.guest_available_bytes) {
    // The guest may have told before its balloon grew; the larger of both is on the safe side.
    const uint64_t all = std::max(machine.actual_bytes, machine.guest_total_bytes.value_or(0));
    needed = all - std::min(all, *machine.guest_available_bytes);
  }
  return {.usage_bytes = machine.actual_bytes,
          .working_set_bytes = needed ? needed : cgroup.usage_bytes,
          .stalled_ratio = cgroup.stalled_ratio,
          .floor_bytes = MachineFloor(machine.maximum_bytes, needed),
          .gives_slowly = true};
}

std::optional<Squeeze> NextSqueeze(uint64_t goal_bytes, const Squeeze& squeeze, const MemoryState& memory,
                                   const SqueezeOptions& options) {
  const std::optional<Squeeze> stay = squeeze.bound_bytes ? std::optional<Squeeze>(squeeze) : std::nullopt;
  if (!memory.usage_bytes || !memory.working_set_bytes) return stay;
  const auto share_of = [](uint64_t bytes, double ratio) {
    return static_cast<uint64_t>(static_cast<double>(bytes) * ratio);
  };
  const uint64_t usage = *memory.usage_bytes;
  const uint64_t step = std::max(options.least_step_bytes, share_of(usage, options.step_ratio));
  const double stalled = memory.stalled_ratio.value_or(0);
  if (!stay && stalled > options.most_stalled_ratio) return std::nullopt;
  const double stalled_before = stay ? squeeze.stalled_before : stalled;
  if (stalled > stalled_before + options.stalled_ratio) {
    const uint64_t back = std::max(*squeeze.bound_bytes, usage) + step;
    return Squeeze{back, back, stalled_before};
  }
  const uint64_t works_with = *memory.working_set_bytes + share_of(*memory.working_set_bytes, options.margin_ratio);
  const uint64_t lowest = std::max({goal_bytes, works_with, squeeze.floor_bytes, memory.floor_bytes});
  const uint64_t from = std::min(squeeze.bound_bytes.value_or(usage), usage);
  const bool waits = memory.gives_slowly && stay && usage > *squeeze.bound_bytes + step / 2;
  if (waits && lowest <= *squeeze.bound_bytes) return stay;
  return Squeeze{from > lowest + step ? from - step : lowest, squeeze.floor_bytes, stalled_before};
}

}  // namespace truce::agent
