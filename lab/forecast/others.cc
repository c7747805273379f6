#include "lab/forecast/others.h"

#include <vector>

#include "src/base/status.h"

namespace truce::lab {

absl::StatusOr<SharedDemandModel> Others::TunedDemandModel(size_t season_steps) {
  SharedDemandModel& tuned = tuned_[season_steps];
  if (tuned != nullptr) return tuned;
  TRUCE_ASSIGN_OR_RETURN(const SharedDemandModel shipped, ShippedDemandModel());
  std::vector<DemandSeries> series;
  for (const Series& one : series_) series.push_back({one.values, season_steps});
  TRUCE_ASSIGN_OR_RETURN(tuned, Tuned(shipped, series));
  return tuned;
}

}  // namespace truce::lab
