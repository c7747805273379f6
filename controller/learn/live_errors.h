// How good forecasts have lately been: by model, horizon and resource, and by application. A plain state machine that
// ControllerCore (controller/serve) feeds and reads; bounded whatever hosts report.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "absl/time/time.h"
#include "controller/learn/loss_series.h"
#include "truce/v1/forecast.pb.h"

namespace truce::controller {

class LiveErrors {
 public:
  // What came so long ago counts half.
  static constexpr absl::Duration kHalfLife = absl::Hours(1);
  // The same of what is usual of a model.
  static constexpr absl::Duration kUsualHalfLife = absl::Hours(24);
  // A model has risen when its loss ratio is so many times its usual one, with so many forecasts lately.
  static constexpr double kRisen = 1.1;
  static constexpr double kLeastForecasts = 1'000;
  // Kept at most; those with the fewest forecasts go first.
  static constexpr size_t kMostSeries = 512;
  static constexpr size_t kMostApplications = 1'000;

  struct Errors {
    LossSum sum;
    double above_p95 = 0;
    // Forecasts that exceeded their p95, over all: 0.05 is right.
    double AboveRatio() const { return above_p95 / sum.count; }
  };
  struct Row {
    // Empty: the base layer alone.
    std::string model;
    absl::Duration ahead;
    v1::Resource resource = v1::RESOURCE_UNSPECIFIED;
    Errors errors;
  };

  // `errors` are sound (controller/fleet/validate.h).
  void Observe(const v1::ForecastErrors& errors, absl::Time now);
  std::vector<Row> ByModel() const;
  // The `most` with the most forecasts.
  std::vector<std::pair<std::string, Errors>> ByApplication(size_t most) const;
  // Over all horizons and resources; nullopt when no forecast of it came due lately.
  std::optional<LossSum> OfModel(std::string_view sha256) const;
  // Whether any model errs more than it usually did.
  bool AnyHasRisen() const;

 private:
  using Key = std::tuple<std::string, int64_t, v1::Resource>;
  void Fade(absl::Time now);

  // Since 1970, of the last fading; sums are as of then.
  std::optional<absl::Time> faded_at_;
  std::map<Key, Errors> by_model_;
  std::map<std::string, Errors> usual_;
  std::map<std::string, Errors> by_application_;
};

// The losses of one report. One with losses beyond any sense weighs less: so that no host drowns the others.
LossSum LossOf(const v1::ForecastErrors& errors);

}  // namespace truce::controller
