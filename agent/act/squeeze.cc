#include "agent/act/squeeze.h"

#include <algorithm>

namespace truce::agent {

std::optional<Squeeze> NextSqueeze(uint64_t goal_bytes, const Squeeze& squeeze, const MemoryState& memory,
                                   const SqueezeOptions& options) {
  const std::optional<Squeeze> stay = squeeze.bound_bytes ? std::optional<Squeeze>(squeeze) : std::nullopt;
  if (!memory.usage_bytes || !memory.working_set_bytes) return stay;
  const auto share_of = [](uint64_t bytes, double ratio) {
    return static_cast<uint64_t>(static_cast<double>(bytes) * ratio);
  };
  const uint64_t usage = *memory.usage_bytes;
  const uint64_t step = std::max(options.least_step_bytes, share_of(usage, options.step_ratio));
  if (memory.stalled_ratio.value_or(0) > options.stalled_ratio) {
    if (!stay) return std::nullopt;
    const uint64_t back = std::max(*squeeze.bound_bytes, usage) + step;
    return Squeeze{back, back};
  }
  const uint64_t works_with = *memory.working_set_bytes + share_of(*memory.working_set_bytes, options.margin_ratio);
  const uint64_t lowest = std::max({goal_bytes, works_with, squeeze.floor_bytes});
  const uint64_t from = std::min(squeeze.bound_bytes.value_or(usage), usage);
  return Squeeze{from > lowest + step ? from - step : lowest, squeeze.floor_bytes};
}

}  // namespace truce::agent
