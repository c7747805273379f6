#include "models/forecast/ets.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "models/forecast/ets_start.h"
#include "models/forecast/line.h"
#include "models/forecast/minimise.h"
#include "src/base/text.h"

namespace truce {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kSmallest = 1e-4;
constexpr double kLargest = 1 - 1e-4;
constexpr double kSmallestPhi = 0.8;
constexpr double kLargestPhi = 0.98;
// Squared innovations below this share of the squared values are rounding, not information.
constexpr double kRounding = 1e-20;

// Where a parameter may be for the search: beta as a share of alpha and gamma as a share of 1 - alpha, which makes the
// usual region a box.
class Coordinates {
 public:
  Coordinates(const EtsForm& form, size_t period, const ModelState& first, double spread)
      : form_(form), period_(period) {
    const double seasons = static_cast<double>(form.season == EtsPart::kNone ? 1 : period);
    Add(kSmallest + 0.2 * (kLargest - kSmallest) / seasons, 0.1, kSmallest, kLargest);
    if (form.trend != EtsPart::kNone) Add(0.1, 0.1, kSmallest, kLargest);
    if (form.season != EtsPart::kNone) Add(0.05, 0.05, kSmallest, kLargest);
    if (form.damped) Add(kLargestPhi - 0.002, 0.02, kSmallestPhi, kLargestPhi);
    Add(first.numbers[0], 0.2 * spread, -kInfinity, kInfinity);
    if (form.trend == EtsPart::kMultiplicative) Add(first.numbers[1], 0.02, 1e-3, 1e3);
    if (form.trend == EtsPart::kAdditive) Add(first.numbers[1], 0.02 * spread, -kInfinity, kInfinity);
    if (form.season == EtsPart::kNone) return;
    const bool multiplicative = form.season == EtsPart::kMultiplicative;
    // The last phase follows from the others.
    for (size_t phase = 0; phase + 1 < period; ++phase)
      Add(first.numbers[2 + phase], multiplicative ? 0.02 : 0.1 * spread, multiplicative ? 1e-3 : -kInfinity,
          kInfinity);
  }

  EtsParameters Parameters(absl::Span<const double> point) const {
    EtsParameters parameters;
    size_t next = 0;
    parameters.alpha = point[next++];
    if (form_.trend != EtsPart::kNone) parameters.beta = point[next++] * parameters.alpha;
    if (form_.season != EtsPart::kNone) parameters.gamma = point[next++] * (1 - parameters.alpha);
    if (form_.damped) parameters.phi = point[next++];
    return parameters;
  }

  void First(absl::Span<const double> point, ModelState& state) const {
    const bool seasonal = form_.season != EtsPart::kNone;
    size_t next = point.size() - (seasonal ? period_ - 1 : 0) - (form_.trend != EtsPart::kNone ? 2 : 1);
    state.phase = 0;
    state.numbers.assign(2, 0);
    state.numbers[0] = point[next++];
    if (form_.trend != EtsPart::kNone) state.numbers[1] = point[next++];
    if (!seasonal) return;
    double last = form_.season == EtsPart::kMultiplicative ? static_cast<double>(period_) : 0;
    for (; next < point.size(); ++next) {
      state.numbers.push_back(point[next]);
      last -= point[next];
    }
    state.numbers.push_back(last);
  }

  std::vector<double> start, step, lower, upper;

 private:
  void Add(double at, double by, double low, double high) {
    start.push_back(std::clamp(at, low, high));
    step.push_back(by);
    lower.push_back(low);
    upper.push_back(high);
  }

  EtsForm form_;
  size_t period_;
};

struct Likelihood {
  double count = 0;
  double squares = 0;  // of the innovations
  double units = 0;    // sum of log |unit|
  // -2 log-likelihood, as R counts it.
  double Lik(double floor) const { return count * std::log(std::max(squares, count * floor)) + 2 * units; }
};

// Runs the model through the values. False when the likelihood is not defined: a mean <= 0 with multiplicative parts.
bool Filter(EtsModel& model, absl::Span<const double> values, Likelihood& likelihood,
            std::vector<double>* innovations) {
  const bool multiplicative_error = model.form().error == EtsPart::kMultiplicative;
  ModelState state = model.state();
  // The product of many units is cheaper to take the logarithm of than each of them.
  double product = 1;
  for (const double value : values) {
    const double mean = model.Mean(state);
    if (!(std::fabs(mean) < kInfinity) || (multiplicative_error && mean <= 0)) return false;
    const double unit = multiplicative_error ? mean : 1;
    const bool known = !std::isnan(value);
    const double innovation = known ? (value - mean) / unit : 0;
    if (known) {
      likelihood.count += 1;
      likelihood.squares += innovation * innovation;
      if (multiplicative_error) product *= mean;
      if (product > 1e200 || product < 1e-200) {
        likelihood.units += std::log(product);
        product = 1;
      }
    }
    if (innovations != nullptr) innovations->push_back(known ? innovation : std::nan(""));
    model.Advance(state, innovation);
  }
  likelihood.units += std::log(product);
  return std::isfinite(likelihood.squares) && std::isfinite(likelihood.units);
}

absl::Status CheckEts(absl::Span<const double> values, size_t period, const EtsForm& form) {
  const size_t known = CountKnown(values);
  if (known == 0) return absl::InvalidArgumentError("exponential smoothing needs at least one value");
  if (form.error == EtsPart::kNone || (form.damped && form.trend == EtsPart::kNone))
    return absl::InvalidArgumentError(StrCat(form.Name(), " is no form of exponential smoothing"));
  if (form.season != EtsPart::kNone && (period < 2 || period > kLongestEtsPeriod || values.size() < 2 * period)) {
    return absl::InvalidArgumentError(StrCat(form.Name(), " needs a season of 2 to ", kLongestEtsPeriod,
                                             " steps and two of them, not a season of ", period, " in ", values.size(),
                                             " values"));
  }
  const bool positive = std::all_of(values.begin(), values.end(), [](double value) { return !(value <= 0); });
  if (form.NeedsPositive() && !positive)
    return absl::InvalidArgumentError(StrCat(form.Name(), " needs values above 0"));
  return absl::OkStatus();
}

// Makes values comparable with 1, so that the search's tolerances mean the same for bytes and for ratios.
double ScaleOf(absl::Span<const double> values) {
  double largest = 0;
  for (const double value : values)
    if (!std::isnan(value)) largest = std::max(largest, std::fabs(value));
  return largest > 0 ? largest : 1;
}

double Aicc(double lik, size_t parameters, double count) {
  const double k = static_cast<double>(parameters);
  if (count - k - 1 <= 0) return kInfinity;
  return lik + 2 * k + 2 * k * (k + 1) / (count - k - 1);
}

}  // namespace

EtsModel::EtsModel(const EtsForm& form, const EtsParameters& parameters, size_t period, ModelState first)
    : form_(form), parameters_(parameters), period_(form.season == EtsPart::kNone ? 1 : period) {
  state_ = std::move(first);
}

double EtsModel::Mean(const ModelState& state) const {
  double mean = state.numbers[0];
  if (form_.trend == EtsPart::kAdditive) mean += parameters_.phi * state.numbers[1];
  if (form_.trend == EtsPart::kMultiplicative) mean *= std::pow(state.numbers[1], parameters_.phi);
  if (form_.season == EtsPart::kAdditive) return mean + state.numbers[2 + state.phase];
  if (form_.season == EtsPart::kMultiplicative) return mean * state.numbers[2 + state.phase];
  return mean;
}

std::vector<double> EtsModel::Weights(size_t steps) const {
  if (form_.NeedsPositive()) return {};
  const auto [alpha, beta, gamma, phi] = parameters_;
  std::vector<double> weights;
  weights.reserve(steps);
  double damping = phi, damped = phi;
  for (size_t step = 0; step < steps; ++step) {
    if (step == 0) {
      weights.push_back(1);
      continue;
    }
    double weight = alpha;
    if (form_.trend != EtsPart::kNone) weight += beta * damped;
    if (form_.season != EtsPart::kNone && step % period_ == 0) weight += gamma;
    weights.push_back(weight);
    damping *= phi;
    damped += damping;
  }
  return weights;
}

// In the component form, which is the same for additive and multiplicative errors (Hyndman et al. 2008, table 2.1).
void EtsModel::Advance(ModelState& state, double innovation) const {
  const double mean = Mean(state);
  const double value = mean + (form_.error == EtsPart::kMultiplicative ? mean : 1) * innovation;
  double& level = state.numbers[0];
  double& trend = state.numbers[1];
  const double old = level;
  double damped = 0, expected = level;
  if (form_.trend == EtsPart::kAdditive) expected += damped = parameters_.phi * trend;
  if (form_.trend == EtsPart::kMultiplicative) expected *= damped = std::pow(trend, parameters_.phi);

  double without_season = value;
  double* season = form_.season == EtsPart::kNone ? nullptr : &state.numbers[2 + state.phase];
  if (form_.season == EtsPart::kAdditive) without_season -= *season;
  if (form_.season == EtsPart::kMultiplicative) without_season /= *season;

  level = expected + parameters_.alpha * (without_season - expected);
  if (form_.trend != EtsPart::kNone) {
    const double moved = form_.trend == EtsPart::kAdditive ? level - old : level / old;
    trend = damped + parameters_.beta / parameters_.alpha * (moved - damped);
  }
  if (season != nullptr) {
    const double seen = form_.season == EtsPart::kAdditive ? value - expected : value / expected;
    *season += parameters_.gamma * (seen - *season);
    if (++state.phase == period_) state.phase = 0;
  }
}

absl::StatusOr<EtsFit> FitEts(absl::Span<const double> values, size_t period, const EtsForm& form) {
  if (const absl::Status status = CheckEts(values, period, form); !status.ok()) return status;
  const double scale = ScaleOf(values);
  std::vector<double> scaled(values.begin(), values.end());
  for (double& value : scaled) value /= scale;
  const std::vector<double> filled = FillGaps(scaled);
  const double spread = std::max(std::sqrt(VarianceOf(scaled)), 1e-3);
  const Coordinates coordinates(form, period, EtsStart(filled, period, form), spread);
  ModelState first;
  const Objective objective = [&](absl::Span<const double> point) {
    const EtsParameters parameters = coordinates.Parameters(point);
    coordinates.First(point, first);
    const bool factors_are_positive = form.season != EtsPart::kMultiplicative || first.numbers.back() > 0;
    if (!factors_are_positive || !Admissible(form, parameters, period)) return kInfinity;
    EtsModel model(form, parameters, period, first);
    Likelihood likelihood;
    if (!Filter(model, scaled, likelihood, nullptr)) return kInfinity;
    return likelihood.Lik(kRounding) / likelihood.count;
  };
  const int evaluations = 300 + 200 * static_cast<int>(coordinates.start.size());
  const Minimum best = MinimiseSubplex(objective, coordinates.start, coordinates.step, coordinates.lower,
                                       coordinates.upper, evaluations);

  coordinates.First(best.point, first);
  first.numbers[0] *= scale;
  if (form.trend == EtsPart::kAdditive) first.numbers[1] *= scale;
  if (form.season == EtsPart::kAdditive)
    std::for_each(first.numbers.begin() + 2, first.numbers.end(), [&](double& number) { number *= scale; });
  EtsFit fit{EtsModel(form, coordinates.Parameters(best.point), period, first), first};
  Likelihood likelihood;
  if (!Filter(fit.model, values, likelihood, &fit.innovations))
    return absl::InvalidArgumentError(StrCat(form.Name(), " can't follow these values"));
  const double unit = form.error == EtsPart::kMultiplicative ? 1 : scale;
  const double lik = likelihood.Lik(kRounding * unit * unit);
  const size_t parameters = form.Parameters(period);
  fit.log_likelihood = -0.5 * lik;
  fit.aicc = Aicc(lik, parameters, likelihood.count);
  fit.sigma2 = likelihood.squares / std::max(likelihood.count - static_cast<double>(parameters - 1), 1.0);
  for (const double value : values) fit.model.Observe(value);
  return fit;
}

absl::StatusOr<EtsFit> SelectEts(absl::Span<const double> values, size_t period) {
  const size_t usable = period > kLongestEtsPeriod || values.size() < 2 * period ? 1 : period;
  const bool positive = std::all_of(values.begin(), values.end(), [](double value) { return !(value <= 0); });
  const double known = static_cast<double>(CountKnown(values));
  absl::StatusOr<EtsFit> best = FitEts(values, 1, EtsForm());
  if (!best.ok() || IsConstant(values)) return best;
  for (const EtsForm& form : EtsForms(usable, positive)) {
    if (form == EtsForm() || !std::isfinite(Aicc(0, form.Parameters(usable), known))) continue;
    absl::StatusOr<EtsFit> fit = FitEts(values, usable, form);
    if (fit.ok() && fit->aicc < best->aicc) best = std::move(fit);
  }
  return best;
}

}  // namespace truce
