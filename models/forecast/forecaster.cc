#include "models/forecast/forecaster.h"

#include "src/base/text.h"

namespace truce {

absl::Status CheckRequest(size_t steps, absl::Span<const double> quantiles) {
  if (steps == 0) return absl::InvalidArgumentError("a forecast needs at least one step");
  if (quantiles.empty()) return absl::InvalidArgumentError("a forecast needs at least one quantile");
  double last = 0;
  for (const double quantile : quantiles) {
    if (!(quantile > last && quantile < 1)) {
      return absl::InvalidArgumentError(
          StrCat("quantile ", quantile, ": quantiles must ascend and lie between 0 and 1"));
    }
    last = quantile;
  }
  return absl::OkStatus();
}

}  // namespace truce
