// Leaders of the series that the demand LSTM learns from, found as they are on a host: step by step, from what came
// until then.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "absl/types/span.h"
#include "models/forecast/leader_push.h"
#include "models/training/demand_trainer.h"

namespace truce {

class HostPushes {
 public:
  // `series` stays while this does.
  explicit HostPushes(absl::Span<const DemandSeries> series);
  // What was in store for series `index` at each of its values; empty when no other series is of its host. To be asked
  // of each once. Holds those of a host from the first of its series until the last, so give them side by side.
  std::vector<LeaderPush> Take(size_t index);

 private:
  void Find(const std::vector<size_t>& members);

  absl::Span<const DemandSeries> series_;
  std::map<uint64_t, std::vector<size_t>> hosts_;
  // Of the series whose host was asked about.
  std::map<size_t, std::vector<LeaderPush>> found_;
};

}  // namespace truce
