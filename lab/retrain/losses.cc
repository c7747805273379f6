#include "lab/retrain/losses.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/types/span.h"
#include "lab/forecast/measures.h"
#include "lab/forecast/rolling.h"
#include "models/forecast/demand_horizons.h"
#include "src/base/status.h"

namespace truce::lab {
namespace {

// Where naive hardly errs within the span, its loss before the span counts by so much: a series that stood still lately
// must not weigh more than all others.
constexpr double kEarlierShare = 0.1;

using Values = absl::Span<const double>;

double LossOf(double median, double high, double actual) {
  return PinballLoss(kJudgedQuantiles[0], median, actual) + PinballLoss(kJudgedQuantiles[1], high, actual);
}

// Mean loss of saying that the newest value stays, from `from` on; NaN where nothing is known.
double NaiveLoss(Values values, size_t from, size_t until) {
  double newest = NAN;
  double sum = 0;
  double count = 0;
  for (size_t i = 0; i < until; ++i) {
    if (i >= from && !std::isnan(newest)) {
      for (const size_t horizon : kDemandHorizons) {
        const size_t at = i + horizon - 1;
        if (at >= until || std::isnan(values[at])) continue;
        sum += LossOf(newest, newest, values[at]);
        ++count;
      }
    }
    if (!std::isnan(values[i])) newest = values[i];
  }
  return sum / count;
}

// One series' part of the span.
struct Subject {
  Values values;
  // Of the first value that is judged, in the series; and what to add for its step in the history.
  size_t begin = 0;
  size_t offset = 0;
  // What a loss is measured in, and how many losses there are.
  double scale = 0;
  double count = 0;
};

std::optional<Subject> SubjectOf(const HistorySeries& series, const JudgedSpan& span) {
  if (series.begin >= span.begin || series.begin + series.values.size() <= span.begin) return std::nullopt;
  Subject subject{series.values, span.begin - series.begin, series.begin};
  const Values before = subject.values.first(subject.begin);
  if (std::all_of(before.begin(), before.end(), [](double value) { return std::isnan(value); })) return std::nullopt;
  for (size_t i = subject.begin; i < subject.values.size(); ++i) {
    for (const size_t horizon : kDemandHorizons) {
      const size_t at = i + horizon - 1;
      if (at < subject.values.size() && !std::isnan(subject.values[at])) ++subject.count;
    }
  }
  if (subject.count == 0) return std::nullopt;
  subject.scale = NaiveLoss(subject.values, subject.begin, subject.values.size());
  const double earlier = kEarlierShare * NaiveLoss(subject.values, 0, subject.begin);
  if (earlier > subject.scale) subject.scale = earlier;
  if (!(subject.scale > 0)) return std::nullopt;
  return subject;
}

absl::StatusOr<std::vector<double>> LossesOf(const Subject& subject, const JudgedSpan& span, Forecaster* forecaster) {
  TRUCE_RETURN_IF_ERROR(forecaster->Fit(subject.values.first(subject.begin)));
  std::vector<double> losses(span.blocks, 0);
  for (size_t i = subject.begin; i < subject.values.size(); ++i) {
    TRUCE_ASSIGN_OR_RETURN(const Forecast forecast, forecaster->Predict(kDemandHorizons.back(), kJudgedQuantiles));
    for (const size_t horizon : kDemandHorizons) {
      const size_t at = i + horizon - 1;
      if (at >= subject.values.size() || std::isnan(subject.values[at])) continue;
      const double loss = LossOf(forecast.Value(horizon - 1, 0), forecast.Value(horizon - 1, 1), subject.values[at]);
      losses[span.BlockOf(i + subject.offset)] += std::min(kMostLoss, loss / subject.scale) / subject.count;
    }
    forecaster->Observe(subject.values[i]);
  }
  return losses;
}

}  // namespace

absl::StatusOr<std::vector<SeriesLosses>> CompareLosses(const History& history, const JudgedSpan& span,
                                                        const MakeForecaster& champion,
                                                        const MakeForecaster& challenger, int threads) {
  std::vector<std::optional<SeriesLosses>> found(history.series.size());
  const auto compare = [&](size_t i) -> absl::Status {
    const HistorySeries& series = history.series[i];
    const auto subject = SubjectOf(series, span);
    if (!subject) return absl::OkStatus();
    auto champions = LossesOf(*subject, span, champion().get());
    if (!champions.ok()) return WithContext(champions.status(), series.name);
    auto challengers = LossesOf(*subject, span, challenger().get());
    if (!challengers.ok()) return WithContext(challengers.status(), series.name);
    found[i] = SeriesLosses{series.workload, *std::move(champions), *std::move(challengers)};
    return absl::OkStatus();
  };
  TRUCE_RETURN_IF_ERROR(InParallel(history.series.size(), threads, compare));
  std::vector<SeriesLosses> losses;
  for (auto& one : found) {
    if (one) losses.push_back(*std::move(one));
  }
  return losses;
}

}  // namespace truce::lab
