// The choice of an ARIMA order (Hyndman and Khandakar 2008, section 3.2).
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "models/forecast/arima.h"
#include "models/forecast/line.h"
#include "models/forecast/seasonal_strength.h"

namespace truce {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr size_t kMostOrdinary = 5;
constexpr size_t kMostSeasonal = 2;
constexpr size_t kMostDifferences = 2;
constexpr double kStrongSeason = 0.64;
// As many orders as R tries at most.
constexpr size_t kMostModels = 94;
// How many of the best quick fits are fitted exactly.
constexpr size_t kFinalists = 3;

// Whether a level-stationary series would look like this less than once in twenty times (Kwiatkowski, Phillips,
// Schmidt, Shin, Journal of Econometrics 54, 1992; critical value of their table 1).
bool KpssRejects(absl::Span<const double> values) {
  constexpr double kCritical = 0.463;
  const double n = static_cast<double>(values.size());
  const auto lags = static_cast<size_t>(3 * std::sqrt(n) / 13);
  const double mean = MeanOf(values);
  double partial = 0, partial_squares = 0, variance = 0;
  for (const double value : values) {
    partial += value - mean;
    partial_squares += partial * partial;
    variance += (value - mean) * (value - mean) / n;
  }
  for (size_t lag = 1; lag <= lags && lag < values.size(); ++lag) {
    double covariance = 0;
    for (size_t i = lag; i < values.size(); ++i) covariance += (values[i] - mean) * (values[i - lag] - mean) / n;
    variance += 2 * (1 - static_cast<double>(lag) / static_cast<double>(lags + 1)) * covariance;
  }
  return variance > 0 && partial_squares / (n * n) / variance > kCritical;
}

// The stepwise search: every order tried once, the neighbours of the best so far until none is better.
class Search {
 public:
  Search(absl::Span<const double> values, const ArimaOrder& differences, const ArimaSearch& options)
      : values_(values), differences_(differences), exact_(values.size() <= options.exact_values) {
    const size_t known = CountKnown(values);
    most_ = std::min(kMostOrdinary, known / 3);
    if (differences.period > 1) most_seasonal_ = std::min(kMostSeasonal, known / 3 / differences.period);
  }

  // The finalists, best first. Never empty.
  std::vector<ArimaOrder> Run() {
    const bool constant = MayHaveConstant();
    Try(Order(2, 2, 1, 1, constant));
    Try(Order(0, 0, 0, 0, constant));
    Try(Order(1, 0, 1, 0, constant));
    Try(Order(0, 1, 0, 1, constant));
    if (constant) Try(Order(0, 0, 0, 0, false));
    while (Improve()) {
    }
    std::stable_sort(tried_.begin(), tried_.end(), [](const Tried& a, const Tried& b) { return a.aicc < b.aicc; });
    std::vector<ArimaOrder> finalists;
    for (const Tried& one : tried_) {
      if (!finalists.empty() && (finalists.size() >= kFinalists || one.aicc == kInfinity)) break;
      finalists.push_back(one.order);
    }
    return finalists;
  }

 private:
  struct Tried {
    ArimaOrder order;
    double aicc;
  };

  bool MayHaveConstant() const { return differences_.d + differences_.seasonal_d <= 1; }

  ArimaOrder Order(size_t p, size_t q, size_t seasonal_p, size_t seasonal_q, bool constant) const {
    ArimaOrder order = differences_;
    order.p = std::min(p, most_);
    order.q = std::min(q, most_);
    order.seasonal_p = std::min(seasonal_p, most_seasonal_);
    order.seasonal_q = std::min(seasonal_q, most_seasonal_);
    order.constant = constant;
    return order;
  }

  double Aicc(const ArimaOrder& order) const {
    if (!exact_) return QuickAicc(values_, order);
    const absl::StatusOr<ArimaFit> fit = FitArima(values_, order);
    return fit.ok() && RootsKeepAway(fit->model) ? fit->aicc : kInfinity;
  }

  // True when it is the best so far.
  bool Try(const ArimaOrder& order) {
    const bool known = std::any_of(tried_.begin(), tried_.end(), [&](const Tried& one) { return one.order == order; });
    if (known || tried_.size() >= kMostModels) return false;
    tried_.push_back({order, Aicc(order)});
    if (tried_.size() > 1 && !(tried_.back().aicc < best_.aicc)) return false;
    best_ = tried_.back();
    return true;
  }

  bool TryStep(const ArimaOrder& from, int p, int q, int seasonal_p, int seasonal_q) {
    const auto moved = [](size_t at, int by, size_t most, size_t& to) {
      if ((by < 0 && at == 0) || (by > 0 && at >= most)) return false;
      to = at + static_cast<size_t>(static_cast<ptrdiff_t>(by));
      return true;
    };
    ArimaOrder order = from;
    return moved(from.p, p, most_, order.p) && moved(from.q, q, most_, order.q) &&
           moved(from.seasonal_p, seasonal_p, most_seasonal_, order.seasonal_p) &&
           moved(from.seasonal_q, seasonal_q, most_seasonal_, order.seasonal_q) && Try(order);
  }

  // Tries the neighbours of the best order; true as soon as one is better.
  bool Improve() {
    static constexpr int kSteps[][4] = {{0, 0, -1, 0},  {0, 0, 0, -1}, {0, 0, 1, 0},  {0, 0, 0, 1},
                                        {0, 0, -1, -1}, {0, 0, -1, 1}, {0, 0, 1, -1}, {0, 0, 1, 1},
                                        {-1, 0, 0, 0},  {0, -1, 0, 0}, {1, 0, 0, 0},  {0, 1, 0, 0},
                                        {-1, -1, 0, 0}, {-1, 1, 0, 0}, {1, -1, 0, 0}, {1, 1, 0, 0}};
    const ArimaOrder from = best_.order;
    for (const auto& step : kSteps)
      if (TryStep(from, step[0], step[1], step[2], step[3])) return true;
    if (!MayHaveConstant()) return false;
    ArimaOrder order = from;
    order.constant = !order.constant;
    return Try(order);
  }

  absl::Span<const double> values_;
  ArimaOrder differences_;
  bool exact_;
  size_t most_ = 0;
  size_t most_seasonal_ = 0;
  std::vector<Tried> tried_;
  Tried best_{};
};

}  // namespace

ArimaOrder SelectDifferences(absl::Span<const double> values, size_t period) {
  ArimaOrder order;
  order.period = period;
  std::vector<double> rest = FillGaps(values);
  const bool seasonal = period > 1 && rest.size() > 2 * period;
  if (seasonal && SeasonalStrength(rest, period) > kStrongSeason) {
    order.seasonal_d = 1;
    rest = Differences(rest, period);
  }
  while (order.d < kMostDifferences && rest.size() > 2 && !IsConstant(rest) && KpssRejects(rest)) {
    std::vector<double> next = Differences(rest, 1);
    // One test in twenty is wrong. A second difference that adds variation is one too many, and no order mends that.
    if (order.d > 0 && VarianceOf(next) > VarianceOf(rest)) break;
    ++order.d;
    rest = std::move(next);
  }
  return order;
}

absl::StatusOr<ArimaFit> SelectArima(absl::Span<const double> values, size_t period, const ArimaSearch& search) {
  const size_t known = CountKnown(values);
  if (known == 0) return absl::InvalidArgumentError("ARIMA needs at least one value");
  ArimaOrder mean;
  mean.constant = true;
  // Too few to tell a model from its noise.
  constexpr size_t kFewest = 6;
  if (known < kFewest || IsConstant(values)) return FitArima(values, mean);

  const absl::Span<const double> recent = values.subspan(values.size() - std::min(values.size(), search.values));
  const size_t usable = period > kLongestArimaPeriod || recent.size() < 2 * period ? 1 : std::max<size_t>(period, 1);
  if (CountKnown(recent) < kFewest || IsConstant(recent)) return FitArima(values, mean);
  const ArimaOrder differences = SelectDifferences(recent, usable);
  absl::StatusOr<ArimaFit> best = absl::InternalError("no order was tried");
  for (const ArimaOrder& order : Search(recent, differences, search).Run()) {
    absl::StatusOr<ArimaFit> fit = FitArima(recent, order);
    if (!fit.ok() || !RootsKeepAway(fit->model)) continue;
    if (!best.ok() || fit->aicc < best->aicc) best = std::move(fit);
  }
  const ArimaOrder order = best.ok() ? best->model.order() : differences;
  if (best.ok() && recent.size() == values.size()) return best;
  best = FitArima(values, order);
  return best.ok() ? std::move(best) : FitArima(values, mean);
}

}  // namespace truce
