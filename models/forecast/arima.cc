#include "models/forecast/arima.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "models/forecast/arima_filter.h"
#include "models/forecast/line.h"
#include "models/forecast/minimise.h"
#include "models/forecast/roots.h"
#include "src/base/text.h"

namespace truce {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// A variance below this share of the largest squared value is rounding.
constexpr double kRounding = 1e-20;
// Partial autocorrelations beyond tanh(3) = 0.995 leave the search no slope to start from.
constexpr double kSteepest = 3;
constexpr double kNearestRoot = 1.01;

// Coefficients of a stationary autoregression from numbers without bounds (Monahan 1984): their tanh are its partial
// autocorrelations.
std::vector<double> Stationary(absl::Span<const double> free) {
  std::vector<double> coefficients;
  for (const double number : free) {
    const double partial = std::tanh(number);
    const std::vector<double> old = coefficients;
    for (size_t i = 0; i < old.size(); ++i) coefficients[i] -= partial * old[old.size() - 1 - i];
    coefficients.push_back(partial);
  }
  return coefficients;
}

bool Settled(const ArimaPolynomials& polynomials) {
  std::vector<double> ar = polynomials.ar;
  for (double& coefficient : ar) coefficient = -coefficient;
  return RootsOutside(ar, kNearestRoot) && RootsOutside(polynomials.ma, kNearestRoot);
}

// One series and one order: what the search asks, in units that suit it.
class Problem {
 public:
  Problem(absl::Span<const double> values, const ArimaOrder& order) : order_(order) {
    values_.assign(values.begin(), values.end());
    differenced_ = values_;
    for (size_t i = 0; i < order.seasonal_d; ++i) differenced_ = Differences(differenced_, order.period);
    for (size_t i = 0; i < order.d; ++i) differenced_ = Differences(differenced_, 1);
    gaps_ = CountKnown(values) < values.size();
    base_ = order.Lost() > 0 ? MeanOf(values) : 0;
    known_ = gaps_ && order.Lost() > 0 ? CountKnown(values) - std::min(order.Lost(), CountKnown(values))
                                       : CountKnown(differenced_);
    centre_ = CountKnown(differenced_) > 0 ? MeanOf(differenced_) : 0;
    const double variance = VarianceOf(differenced_);
    for (const double value : values_)
      if (!std::isnan(value)) floor_ = std::max(floor_, kRounding * value * value);
    spread_ = variance > floor_ ? std::sqrt(variance) : 1;
  }

  size_t Size() const { return order_.Parameters() - 1; }
  // Values that count in the likelihood.
  size_t Known() const { return known_; }

  ArimaParameters Parameters(absl::Span<const double> point) const {
    ArimaParameters parameters;
    size_t next = 0;
    const auto take = [&](size_t count) {
      const std::vector<double> taken = Stationary(point.subspan(next, count));
      next += count;
      return taken;
    };
    parameters.ar = take(order_.p);
    parameters.ma = take(order_.q);
    parameters.seasonal_ar = take(order_.seasonal_p);
    parameters.seasonal_ma = take(order_.seasonal_q);
    for (double& coefficient : parameters.ma) coefficient = -coefficient;
    for (double& coefficient : parameters.seasonal_ma) coefficient = -coefficient;
    if (order_.constant) {
      parameters.constant = centre_ + point[next] * spread_;
      if (order_.seasonal_d > 0) parameters.constant /= static_cast<double>(order_.period);
    }
    return parameters;
  }

  double Conditional(absl::Span<const double> point) const {
    const ArimaParameters parameters = Parameters(point);
    const ArimaLikelihood likelihood = ConditionalFilter(Expand(order_, parameters), Centred(parameters));
    return 0.5 * std::log(Floored(likelihood) / (spread_ * spread_));
  }

  double Exact(absl::Span<const double> point) const {
    const ArimaLikelihood likelihood = Filtered(Parameters(point), false).likelihood;
    return 0.5 * (std::log(Floored(likelihood) / (spread_ * spread_)) + likelihood.logs / likelihood.count);
  }

  // Where gaps allow it the differenced series is filtered, which is smaller; else the series itself.
  ArimaFiltered Filtered(const ArimaParameters& parameters, bool keep) const {
    ArimaPolynomials polynomials = Expand(order_, parameters);
    if (gaps_ && order_.Lost() > 0) return KalmanFilter(polynomials, Levels(parameters), keep);
    polynomials.differences.clear();
    return KalmanFilter(polynomials, Centred(parameters), keep);
  }

  double Floored(const ArimaLikelihood& likelihood) const { return std::max(likelihood.sigma2(), floor_); }

  ArimaFit Finish(const ArimaParameters& parameters) const {
    ArimaFiltered filtered = Filtered(parameters, true);
    const size_t lost = order_.Lost();
    const bool whole = gaps_ && lost > 0;
    const size_t r = filtered.state.size() - (whole ? lost : 0);
    const absl::Span<const double> state(filtered.state);
    std::vector<double> newest;
    const std::vector<double> levels = Levels(parameters);
    for (size_t i = 0; i < lost; ++i) newest.push_back((whole ? state[r + i] : levels[levels.size() - 1 - i]) + base_);
    ArimaFit fit{ArimaModel(order_, parameters, state.subspan(0, r), newest, values_.size())};
    fit.innovations = std::move(filtered.innovations);
    if (!whole) fit.innovations.insert(fit.innovations.begin(), std::min(lost, values_.size()), std::nan(""));
    ArimaLikelihood likelihood = filtered.likelihood;
    fit.sigma2 = Floored(likelihood);
    likelihood.squares = fit.sigma2 * likelihood.count;
    fit.log_likelihood = -0.5 * likelihood.Deviance();
    fit.aicc = Aicc(likelihood.Deviance());
    return fit;
  }

  double Aicc(double deviance) const {
    const double n = static_cast<double>(known_), k = static_cast<double>(order_.Parameters());
    return n - k - 1 > 0 ? deviance + 2 * k + 2 * k * (k + 1) / (n - k - 1) : kInfinity;
  }

 private:
  // The differenced series without the constant.
  std::vector<double> Centred(const ArimaParameters& parameters) const {
    double constant = parameters.constant;
    if (order_.seasonal_d > 0) constant *= static_cast<double>(order_.period);
    std::vector<double> values = differenced_;
    for (double& value : values) value -= constant;
    return values;
  }

  // The series itself without the constant and near 0: what was before it is taken for 0, give or take.
  std::vector<double> Levels(const ArimaParameters& parameters) const {
    std::vector<double> values = values_;
    const bool drift = order_.Lost() > 0;
    for (size_t i = 0; i < values.size(); ++i)
      values[i] -= base_ + parameters.constant * (drift ? static_cast<double>(i) : 1);
    return values;
  }

  ArimaOrder order_;
  std::vector<double> values_;
  std::vector<double> differenced_;
  bool gaps_ = false;
  size_t known_ = 0;
  double base_ = 0;
  double centre_ = 0;
  double spread_ = 1;
  double floor_ = std::numeric_limits<double>::min();
};

absl::Status CheckOrder(absl::Span<const double> values, const ArimaOrder& order) {
  const bool seasonal = order.seasonal_p + order.seasonal_d + order.seasonal_q > 0;
  if (order.constant && order.d + order.seasonal_d > 1)
    return absl::InvalidArgumentError(StrCat(order.Name(), ": with two differences there can be no constant"));
  if (seasonal && (order.period < 2 || order.period > kLongestArimaPeriod)) {
    return absl::InvalidArgumentError(
        StrCat(order.Name(), ": seasonal terms need a period of 2 to ", kLongestArimaPeriod, " steps"));
  }
  const size_t known = CountKnown(values);
  if (known <= order.Lost())
    return absl::InvalidArgumentError(StrCat(order.Name(), " needs more than ", order.Lost(), " values, not ", known));
  return absl::OkStatus();
}

std::vector<double> ConditionalPoint(const Problem& problem) {
  const std::vector<double> zeros(problem.Size());
  const Objective conditional = [&](absl::Span<const double> point) { return problem.Conditional(point); };
  const int evaluations = 200 * static_cast<int>(problem.Size());
  return MinimiseSmooth(conditional, zeros, evaluations).point;
}

}  // namespace

absl::StatusOr<ArimaFit> FitArima(absl::Span<const double> values, const ArimaOrder& order) {
  if (const absl::Status status = CheckOrder(values, order); !status.ok()) return status;
  const Problem problem(values, order);
  std::vector<double> point = ConditionalPoint(problem);
  for (double& number : point) number = std::clamp(number, -kSteepest, kSteepest);
  const Objective exact = [&](absl::Span<const double> at) { return problem.Exact(at); };
  if (!point.empty()) point = MinimiseSmooth(exact, point, 200 * static_cast<int>(point.size())).point;
  return problem.Finish(problem.Parameters(point));
}

double QuickAicc(absl::Span<const double> values, const ArimaOrder& order) {
  if (!CheckOrder(values, order).ok()) return kInfinity;
  const Problem problem(values, order);
  if (!std::isfinite(problem.Aicc(0))) return kInfinity;
  const std::vector<double> point = ConditionalPoint(problem);
  const ArimaPolynomials polynomials = Expand(order, problem.Parameters(point));
  if (!Settled(polynomials)) return kInfinity;
  // In units of the differenced series' spread, which are the same for all orders with the same differences.
  const double log_sigma2 = 2 * problem.Conditional(point);
  return problem.Aicc(static_cast<double>(problem.Known()) * log_sigma2);
}

bool RootsKeepAway(const ArimaModel& model) {
  return Settled(Expand(model.order(), model.parameters()));
}

}  // namespace truce
