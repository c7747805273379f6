#include "models/forecast/arima_model.h"

#include <algorithm>

#include "src/base/text.h"

namespace truce {
namespace {

// Coefficients by lag, entry 0 is lag 0.
std::vector<double> Product(absl::Span<const double> a, absl::Span<const double> b) {
  std::vector<double> product(a.size() + b.size() - 1);
  for (size_t i = 0; i < a.size(); ++i)
    for (size_t j = 0; j < b.size(); ++j) product[i + j] += a[i] * b[j];
  return product;
}

// 1 + sign (c[0] B^step + c[1] B^(2 step) + ...).
std::vector<double> Polynomial(absl::Span<const double> coefficients, size_t step, double sign) {
  std::vector<double> polynomial(coefficients.size() * step + 1);
  polynomial[0] = 1;
  for (size_t i = 0; i < coefficients.size(); ++i) polynomial[(i + 1) * step] = sign * coefficients[i];
  return polynomial;
}

std::vector<double> WithoutFirst(absl::Span<const double> polynomial, double sign) {
  std::vector<double> rest(polynomial.begin() + 1, polynomial.end());
  for (double& coefficient : rest) coefficient *= sign;
  return rest;
}

}  // namespace

std::string ArimaOrder::Name() const {
  std::string name = StrCat("ARIMA(", p, ",", d, ",", q, ")");
  if (seasonal_p + seasonal_d + seasonal_q > 0)
    StrAppend(&name, "(", seasonal_p, ",", seasonal_d, ",", seasonal_q, ")[", period, "]");
  if (constant) StrAppend(&name, d + seasonal_d > 0 ? " with drift" : " with mean");
  return name;
}

ArimaPolynomials Expand(const ArimaOrder& order, const ArimaParameters& parameters) {
  ArimaPolynomials polynomials;
  polynomials.ar =
      WithoutFirst(Product(Polynomial(parameters.ar, 1, -1), Polynomial(parameters.seasonal_ar, order.period, -1)), -1);
  polynomials.ma =
      WithoutFirst(Product(Polynomial(parameters.ma, 1, 1), Polynomial(parameters.seasonal_ma, order.period, 1)), 1);
  std::vector<double> differences = {1};
  for (size_t i = 0; i < order.d; ++i) differences = Product(differences, Polynomial({1.0}, 1, -1));
  for (size_t i = 0; i < order.seasonal_d; ++i) differences = Product(differences, Polynomial({1.0}, order.period, -1));
  polynomials.differences = WithoutFirst(differences, -1);
  return polynomials;
}

ArimaModel::ArimaModel(const ArimaOrder& order, const ArimaParameters& parameters, absl::Span<const double> arma,
                       absl::Span<const double> newest, size_t next_index)
    : order_(order), parameters_(parameters), polynomials_(Expand(order, parameters)), r_(arma.size()) {
  state_.numbers.assign(arma.begin(), arma.end());
  state_.numbers.insert(state_.numbers.end(), newest.begin(), newest.end());
  const bool drift = order.d + order.seasonal_d > 0;
  state_.numbers.push_back(parameters.constant * (drift ? static_cast<double>(next_index) : 1));
}

double ArimaModel::Mean(const ModelState& state) const {
  double mean = state.numbers[0] + state.numbers.back();
  for (size_t i = 0; i < polynomials_.differences.size(); ++i)
    mean += polynomials_.differences[i] * state.numbers[r_ + i];
  return mean;
}

std::vector<double> ArimaModel::Weights(size_t steps) const {
  // Of the differenced series, then of the series.
  std::vector<double> weights(steps);
  const auto add_earlier = [&](size_t step, absl::Span<const double> lags) {
    for (size_t i = 0; i < std::min(step, lags.size()); ++i) weights[step] += lags[i] * weights[step - 1 - i];
  };
  for (size_t step = 0; step < steps; ++step) {
    weights[step] = step == 0 ? 1 : step <= polynomials_.ma.size() ? polynomials_.ma[step - 1] : 0;
    add_earlier(step, polynomials_.ar);
  }
  for (size_t step = 0; step < steps; ++step) add_earlier(step, polynomials_.differences);
  return weights;
}

void ArimaModel::Advance(ModelState& state, double innovation) const {
  std::vector<double>& numbers = state.numbers;
  const size_t lags = polynomials_.differences.size();
  if (lags > 0) {
    const double value = Mean(state) + innovation - numbers.back();
    std::copy_backward(numbers.begin() + static_cast<long>(r_), numbers.begin() + static_cast<long>(r_ + lags) - 1,
                       numbers.begin() + static_cast<long>(r_ + lags));
    numbers[r_] = value;
  }
  const double first = numbers[0] + innovation;
  for (size_t i = 0; i < r_; ++i) {
    double next = i + 1 < r_ ? numbers[i + 1] : 0;
    if (i < polynomials_.ma.size()) next += polynomials_.ma[i] * innovation;
    if (i < polynomials_.ar.size()) next += polynomials_.ar[i] * first;
    numbers[i] = next;
  }
  if (order_.d + order_.seasonal_d > 0) numbers.back() += parameters_.constant;
}

}  // namespace truce
