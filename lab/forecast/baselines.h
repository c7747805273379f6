// What forecasts are compared with: simple methods, and what others size by. All are PointMethods; missing values are
// passed over unless said otherwise. Pure.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lab/forecast/point_method.h"
#include "models/forecast/series.h"

namespace truce::lab {

// The last known value.
std::unique_ptr<PointMethod> NewNaive();

// The value a whole number of periods before, the newest there is; the last known value where that is missing or not
// yet there.
std::unique_ptr<PointMethod> NewSeasonalNaive(size_t period);

// The mean of the last `count`.
std::unique_ptr<PointMethod> NewMeanOfLast(size_t count);

// Autoregression of `order` on the series itself, with a constant, by least squares over the rows without a missing
// value (Hamilton, Time Series Analysis, 1994, section 5.2). A history with fewer than two such rows for each
// coefficient is met with the largest order that it allows; at 0 that is the mean. A missing value is taken as its own
// prediction.
std::unique_ptr<PointMethod> NewAutoregression(size_t order);

// One autoregression for all series: of the next change from the newest value, on how far the values before it are from
// it, all over the series' NaiveError (measures.h), so that series of any level and unit are alike.
struct PooledAutoregression {
  // Of the newest value first.
  std::vector<double> coefficients;
  double constant = 0;
};
// By least squares over all rows of all series. InvalidArgument when they have too few rows.
absl::StatusOr<PooledAutoregression> FitPooledAutoregression(size_t order, absl::Span<const Series> series);
// Fit learns the series' NaiveError alone. A history that never changed is continued as it is: the last known value.
std::unique_ptr<PointMethod> NewPooledAutoregression(PooledAutoregression fitted);

// The largest of the last `count`.
std::unique_ptr<PointMethod> NewMaxOfLast(size_t count);

// The largest of the last hour and of the hour to come as it was a day ago, as far back as the history goes.
std::unique_ptr<PointMethod> NewMaxOfHourAndYesterday(size_t hour, size_t day);

// As Kubernetes' vertical pod autoscaler recommends (kubernetes/autoscaler, vertical-pod-autoscaler, recommender: a
// decaying histogram with exponentially growing buckets): the 95th percentile of all values, whose weights halve each
// `half_life` values, plus 15 %. Buckets grow by 5 %; the percentile is its bucket's upper end. The first is a
// thousandth of the history's largest value wide, where the original has a hundredth of a core: series here have many
// units.
std::unique_ptr<PointMethod> NewDecayingHistogram(size_t half_life);

}  // namespace truce::lab
