#include "controller/learn/live_errors.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "controller/fleet/moment.h"

namespace truce::controller {
namespace {

// Sums are faded so often: more would be lost in rounding.
constexpr absl::Duration kFadeInterval = absl::Seconds(10);
// Less than so many forecasts say nothing.
constexpr double kLeastCount = 0.5;
// Losses are in the series' own mean changes; a forecast is rarely off by ten of them, and this much is not measured.
constexpr double kMostMeanLoss = 100;

template <typename Map>
void DropFewest(size_t most, Map* map) {
  if (map->size() <= most) return;
  map->erase(std::min_element(map->begin(), map->end(),
                              [](const auto& a, const auto& b) { return a.second.sum.count < b.second.sum.count; }));
}

template <typename Map>
void FadeAll(double factor, Map* map) {
  for (auto it = map->begin(); it != map->end();) {
    it->second.sum.Scale(factor);
    it->second.above_p95 *= factor;
    it = it->second.sum.count < kLeastCount ? map->erase(it) : std::next(it);
  }
}

}  // namespace

LossSum LossOf(const v1::ForecastErrors& errors) {
  LossSum sum{static_cast<double>(errors.count()), errors.loss_sum(), errors.naive_loss_sum(),
              errors.squared_gain_sum()};
  const double mean = std::max(sum.loss, sum.naive_loss) / sum.count;
  if (mean > kMostMeanLoss) {
    // The ratio stays: that is what is judged.
    const double factor = kMostMeanLoss / mean;
    sum.loss *= factor;
    sum.naive_loss *= factor;
    sum.squared_gain *= factor * factor;
  }
  return sum;
}

void LiveErrors::Fade(absl::Time now) {
  if (!faded_at_) faded_at_ = now;
  if (now - *faded_at_ < kFadeInterval) return;
  const double factor = std::exp2(-absl::FDivDuration(now - *faded_at_, kHalfLife));
  FadeAll(std::exp2(-absl::FDivDuration(now - *faded_at_, kUsualHalfLife)), &usual_);
  faded_at_ = now;
  FadeAll(factor, &by_model_);
  FadeAll(factor, &by_application_);
}

void LiveErrors::Observe(const v1::ForecastErrors& errors, absl::Time now) {
  Fade(now);
  const LossSum sum = LossOf(errors);
  const auto above = static_cast<double>(errors.above_p95_count());
  const auto add = [&](Errors* to) {
    to->sum.Add(sum);
    to->above_p95 += above;
  };
  add(&by_model_[{errors.model_sha256(), absl::ToInt64Milliseconds(ToDuration(errors.ahead())), errors.resource()}]);
  DropFewest(kMostSeries, &by_model_);
  add(&usual_[errors.model_sha256()]);
  DropFewest(kMostSeries, &usual_);
  if (errors.application().empty()) return;
  add(&by_application_[errors.application()]);
  DropFewest(kMostApplications, &by_application_);
}

std::vector<LiveErrors::Row> LiveErrors::ByModel() const {
  std::vector<Row> rows;
  for (const auto& [key, errors] : by_model_) {
    const auto& [model, ahead_ms, resource] = key;
    rows.push_back({model, absl::Milliseconds(ahead_ms), resource, errors});
  }
  return rows;
}

std::vector<std::pair<std::string, LiveErrors::Errors>> LiveErrors::ByApplication(size_t most) const {
  std::vector<std::pair<std::string, Errors>> rows(by_application_.begin(), by_application_.end());
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.second.sum.count > b.second.sum.count; });
  if (rows.size() > most) rows.resize(most);
  return rows;
}

std::optional<LossSum> LiveErrors::OfModel(std::string_view sha256) const {
  LossSum total;
  for (auto it = by_model_.lower_bound({std::string(sha256), INT64_MIN, v1::RESOURCE_UNSPECIFIED});
       it != by_model_.end() && std::get<0>(it->first) == sha256; ++it) {
    total.Add(it->second.sum);
  }
  if (!(total.naive_loss > 0)) return std::nullopt;
  return total;
}

bool LiveErrors::AnyHasRisen() const {
  return std::any_of(usual_.begin(), usual_.end(), [&](const auto& one) {
    const std::optional<LossSum> lately = OfModel(one.first);
    return lately && lately->count >= kLeastForecasts && lately->Ratio() > kRisen * one.second.sum.Ratio();
  });
}

}  // namespace truce::controller
