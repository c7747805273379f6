// The series that pooled methods learn from, and what several of them learn alike, which is learned once.
#pragma once

#include <cstddef>
#include <map>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lab/forecast/demand_models.h"
#include "models/forecast/series.h"

namespace truce::lab {

// One thread's.
class Others {
 public:
  // `series` outlive it.
  explicit Others(absl::Span<const Series> series) : series_(series) {}
  Others(const Others&) = delete;
  Others& operator=(const Others&) = delete;

  absl::Span<const Series> series() const { return series_; }
  // The demand model that comes with Truce, tuned on them with a season of so many steps (DemandFeatures). Slow the
  // first time for each season.
  absl::StatusOr<SharedDemandModel> TunedDemandModel(size_t season_steps);

 private:
  absl::Span<const Series> series_;
  std::map<size_t, SharedDemandModel> tuned_;
};

}  // namespace truce::lab
