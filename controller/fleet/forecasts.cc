#include "controller/fleet/forecasts.h"

#include <cmath>
#include <initializer_list>

#include "controller/fleet/moment.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

using Numbers = google::protobuf::RepeatedField<float>;

bool AreDemands(const Numbers& numbers, int count) {
  if (numbers.size() != count) return false;
  for (const float number : numbers) {
    if (!std::isfinite(number) || number < 0) return false;
  }
  return true;
}

std::optional<std::string> ProblemOf(const v1::DemandForecast& forecast) {
  const int count = forecast.ahead_seconds_size();
  if (count == 0 || count > kMostHorizons) return StrCat(count, " times ahead; 1 to ", kMostHorizons, " are accepted");
  for (const Numbers* numbers : {&forecast.ahead_seconds(), &forecast.p50(), &forecast.p90(), &forecast.p95(),
                                 &forecast.p99(), &forecast.peak_p95()}) {
    if (!AreDemands(*numbers, count)) return "its numbers don't go together, or are negative or none at all";
  }
  for (int h = 0; h < count; ++h) {
    if (h > 0 && forecast.ahead_seconds(h) <= forecast.ahead_seconds(h - 1)) return "its times ahead don't ascend";
    if (forecast.p50(h) > forecast.p90(h) || forecast.p90(h) > forecast.p95(h) || forecast.p95(h) > forecast.p99(h)) {
      return "its quantiles cross";
    }
  }
  const float score = forecast.anomaly_score_ratio();
  if (!(score >= 0 && score <= 1)) return StrCat("anomaly_score_ratio ", score, " is outside 0-1");
  if (!std::isfinite(forecast.newest()) || forecast.newest() < 0) return StrCat("newest ", forecast.newest());
  return std::nullopt;
}

}  // namespace

std::optional<std::string> ProblemOfForecasts(const v1::WorkloadReport& report) {
  if (report.forecasts_size() > kMostForecasts || report.bursts_size() > kMostForecasts) {
    return StrCat(report.forecasts_size(), " forecasts and ", report.bursts_size(), " bursts; at most ", kMostForecasts,
                  " are accepted");
  }
  for (const v1::DemandForecast& forecast : report.forecasts()) {
    if (auto problem = ProblemOf(forecast)) return problem;
  }
  for (const v1::BurstForecast& burst : report.bursts()) {
    if (!std::isfinite(burst.peak()) || burst.peak() < 0) return StrCat("a burst's peak ", burst.peak());
  }
  return std::nullopt;
}

void KeepForecasts(v1::WorkloadReport&& older, absl::Time now, v1::WorkloadReport* newer) {
  if (!newer->forecasts().empty() || older.forecasts().empty()) return;
  if (older.workload().instance() != newer->workload().instance()) return;
  if (absl::AbsDuration(now - ToTime(older.forecasts(0).made_at())) > kForecastLife) return;
  newer->mutable_forecasts()->Swap(older.mutable_forecasts());
}

const v1::DemandForecast* ForecastOf(const v1::WorkloadReport& report, v1::Resource resource) {
  for (const v1::DemandForecast& forecast : report.forecasts()) {
    if (forecast.resource() == resource) return &forecast;
  }
  return nullptr;
}

}  // namespace truce::controller
