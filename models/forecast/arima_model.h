// Seasonal ARIMA as a model that runs: orders, parameters, state. models/forecast/arima.h fits it, arima_order.h
// chooses its orders.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "models/forecast/innovation_model.h"

namespace truce {

// ARIMA(p,d,q)(P,D,Q)[period]: (1 - phi(B)) (1 - Phi(B^m)) (1 - B)^d (1 - B^m)^D (y - c) = (1 + theta(B)) (1 +
// Theta(B^m)) e.
struct ArimaOrder {
  size_t p = 0, d = 0, q = 0;
  size_t seasonal_p = 0, seasonal_d = 0, seasonal_q = 0;
  size_t period = 1;
  // A mean without differencing, a drift with one difference; must be false with more.
  bool constant = false;

  // "ARIMA(1,0,2)(1,1,2)[12] with drift".
  std::string Name() const;
  // How many values differencing takes.
  size_t Lost() const { return d + seasonal_d * period; }
  // Coefficients and the variance: what AICc counts.
  size_t Parameters() const { return p + q + seasonal_p + seasonal_q + (constant ? 1 : 0) + 1; }
  bool operator==(const ArimaOrder&) const = default;
};

struct ArimaParameters {
  std::vector<double> ar, ma, seasonal_ar, seasonal_ma;
  // The mean, or the drift per step; 0 without a constant.
  double constant = 0;
};

// The products of the polynomials: x_t = sum ar_i x_{t-i} + e_t + sum ma_i e_{t-i}, and what differencing takes off,
// y_t = x_t + sum differences_i y_{t-i}. Entry 0 is lag 1.
struct ArimaPolynomials {
  std::vector<double> ar, ma, differences;
};
ArimaPolynomials Expand(const ArimaOrder& order, const ArimaParameters& parameters);

// Its state, less the constant: the r numbers of the ARMA part in Harvey's form (r = max(lags of AR, lags of MA + 1)),
// then the newest values that differencing needs, newest first, then what the constant adds to the next value.
class ArimaModel : public InnovationModel {
 public:
  // `arma` has r numbers, `newest` as many as differencing needs; `next_index` is the index of the next value, from
  // which a drift counts.
  ArimaModel(const ArimaOrder& order, const ArimaParameters& parameters, absl::Span<const double> arma,
             absl::Span<const double> newest, size_t next_index);

  double Mean(const ModelState& state) const override;
  double Unit(const ModelState&) const override { return 1; }
  // The psi weights (Box and Jenkins, Time Series Analysis, 1970, section 4.2).
  std::vector<double> Weights(size_t steps) const override;
  // As the Kalman filter does once it has settled; it has, after some values without gaps.
  void Advance(ModelState& state, double innovation) const override;

  const ArimaOrder& order() const { return order_; }
  const ArimaParameters& parameters() const { return parameters_; }

 private:
  ArimaOrder order_;
  ArimaParameters parameters_;
  ArimaPolynomials polynomials_;
  size_t r_;
};

}  // namespace truce
