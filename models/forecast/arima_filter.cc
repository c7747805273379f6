#include "models/forecast/arima_filter.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace truce {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Row = Eigen::Matrix<double, 1, Eigen::Dynamic>;

constexpr double kUnknownVariance = 1e6;
constexpr double kUncounted = 1e4;
// How far the covariance may be from where it settles, by its trace.
constexpr double kSettled = 1e-8;

// Autocovariances of lags 0 to `lags` of an ARMA process with innovations of variance 1: the Yule-Walker equations with
// moving average terms (Brockwell and Davis, Time Series, section 3.3).
Eigen::VectorXd Autocovariances(absl::Span<const double> ar, absl::Span<const double> ma, absl::Span<const double> psi,
                                size_t lags) {
  const auto size = static_cast<Eigen::Index>(ar.size()) + 1;
  Eigen::MatrixXd equations = Eigen::MatrixXd::Identity(size, size);
  Eigen::VectorXd right = Eigen::VectorXd::Zero(size);
  for (Eigen::Index k = 0; k < size; ++k) {
    for (Eigen::Index i = 1; i < size; ++i) equations(k, std::abs(k - i)) -= ar[static_cast<size_t>(i - 1)];
    for (size_t j = static_cast<size_t>(k); j <= ma.size(); ++j)
      right(k) += (j == 0 ? 1 : ma[j - 1]) * psi[j - static_cast<size_t>(k)];
  }
  const Eigen::VectorXd solved = equations.partialPivLu().solve(right);
  Eigen::VectorXd all = Eigen::VectorXd::Zero(static_cast<Eigen::Index>(lags) + 1);
  for (size_t k = 0; k <= lags; ++k) {
    double& value = all(static_cast<Eigen::Index>(k));
    if (k < static_cast<size_t>(size)) {
      value = solved(static_cast<Eigen::Index>(k));
      continue;
    }
    for (size_t i = 1; i <= ar.size() && i <= k; ++i) value += ar[i - 1] * all(static_cast<Eigen::Index>(k - i));
    for (size_t j = k; j <= ma.size(); ++j) value += ma[j - 1] * psi[j - k];
  }
  return all;
}

class Filter {
 public:
  Filter(const ArimaPolynomials& polynomials)
      : r_(std::max(polynomials.ar.size(), polynomials.ma.size() + 1)),
        lags_(polynomials.differences.size()),
        differences_(polynomials.differences) {
    ar_ = polynomials.ar;
    ar_.resize(r_);
    response_ = {1};
    response_.insert(response_.end(), polynomials.ma.begin(), polynomials.ma.end());
    response_.resize(r_);
    for (const double weight : response_) response_squares_ += weight * weight;
    state_.assign(r_ + lags_, 0);
    covariance_ = Matrix::Zero(Size(), Size());
    StartCovariance(polynomials);
  }

  // Returns the innovation, NaN at a gap.
  double Step(double value, ArimaLikelihood& likelihood) {
    const double innovation = value - Seen(state_.data());
    const bool known = !std::isnan(value);
    if (settled_ && known) {
      Count(innovation, 1, likelihood);
      for (size_t i = 0; i < r_; ++i) state_[i] += response_[i] * innovation;
      Move(state_.data());
      return innovation;
    }
    if (known) Correct(innovation, likelihood);
    Move(state_.data());
    MoveCovariance();
    const double excess = covariance_.trace() - response_squares_;
    settled_ = known && std::fabs(excess) < kSettled * response_squares_;
    return known ? innovation : std::nan("");
  }

  const std::vector<double>& state() const { return state_; }

 private:
  Eigen::Index Size() const { return static_cast<Eigen::Index>(r_ + lags_); }

  // What the state says of the value: its ARMA part and what differencing took.
  double Seen(const double* state) const {
    double seen = state[0];
    for (size_t i = 0; i < lags_; ++i) seen += differences_[i] * state[r_ + i];
    return seen;
  }

  // One step on, in place.
  void Move(double* state) const {
    const double first = state[0];
    const double value = Seen(state);
    for (size_t i = 0; i + 1 < r_; ++i) state[i] = state[i + 1] + ar_[i] * first;
    state[r_ - 1] = ar_[r_ - 1] * first;
    if (lags_ == 0) return;
    std::copy_backward(state + r_, state + r_ + lags_ - 1, state + r_ + lags_);
    state[r_] = value;
  }

  void Count(double innovation, double variance, ArimaLikelihood& likelihood) const {
    if (variance > kUncounted) return;
    likelihood.count += 1;
    likelihood.squares += innovation * innovation / variance;
    if (variance != 1) likelihood.logs += std::log(variance);
  }

  void Correct(double innovation, ArimaLikelihood& likelihood) {
    seen_ = covariance_.row(0);
    for (size_t i = 0; i < lags_; ++i) seen_ += differences_[i] * covariance_.row(static_cast<Eigen::Index>(r_ + i));
    const double variance = Seen(seen_.data());
    Count(innovation, variance, likelihood);
    for (size_t i = 0; i < state_.size(); ++i) state_[i] += seen_(static_cast<Eigen::Index>(i)) * innovation / variance;
    covariance_.noalias() -= seen_.transpose() * (seen_ / variance);
  }

  // T P T' + R R'. T acts on rows and then, by symmetry, on columns.
  void MoveCovariance() {
    const auto r = static_cast<Eigen::Index>(r_);
    const auto size = Size();
    const Row first = covariance_.row(0);
    if (lags_ > 0) {
      seen_ = first;
      for (size_t i = 0; i < lags_; ++i) seen_ += differences_[i] * covariance_.row(r + static_cast<Eigen::Index>(i));
    }
    for (Eigen::Index i = 0; i + 1 < r; ++i)
      covariance_.row(i).noalias() = covariance_.row(i + 1) + ar_[static_cast<size_t>(i)] * first;
    covariance_.row(r - 1).noalias() = ar_[r_ - 1] * first;
    for (Eigen::Index i = size - 1; i > r; --i) covariance_.row(i) = covariance_.row(i - 1);
    if (lags_ > 0) covariance_.row(r) = seen_;
    for (Eigen::Index i = 0; i < size; ++i) Move(covariance_.row(i).data());
    for (Eigen::Index i = 0; i < r; ++i) {
      for (Eigen::Index j = 0; j < r; ++j)
        covariance_(i, j) += response_[static_cast<size_t>(i)] * response_[static_cast<size_t>(j)];
    }
  }

  // The stationary covariance of the ARMA part. Its first row follows from autocovariances, and the others from the
  // last one up, which only adds: P(i,j) = ar_i ar_j P(0,0) + ar_i P(0,j+1) + ar_j P(0,i+1) + P(i+1,j+1) + R_i R_j.
  void StartCovariance(const ArimaPolynomials& polynomials) {
    std::vector<double> psi(r_ + polynomials.ma.size() + 1);
    for (size_t k = 0; k < psi.size(); ++k) {
      psi[k] = k == 0 ? 1 : (k <= polynomials.ma.size() ? polynomials.ma[k - 1] : 0);
      for (size_t i = 1; i <= polynomials.ar.size() && i <= k; ++i) psi[k] += polynomials.ar[i - 1] * psi[k - i];
    }
    const Eigen::VectorXd gamma = Autocovariances(polynomials.ar, polynomials.ma, psi, r_);
    std::vector<double> first(r_ + 1);
    first[0] = gamma(0);
    for (size_t j = 1; j < r_; ++j) {
      for (size_t k = j + 1; k <= r_; ++k) first[j] += ar_[k - 1] * gamma(static_cast<Eigen::Index>(k - j));
      for (size_t k = j; k < r_; ++k) first[j] += response_[k] * psi[k - j];
    }
    for (size_t i = r_; i-- > 0;) {
      for (size_t j = i; j < r_; ++j) {
        double value = ar_[i] * ar_[j] * first[0] + ar_[i] * first[j + 1] + ar_[j] * first[i + 1];
        value += response_[i] * response_[j];
        const auto a = static_cast<Eigen::Index>(i), b = static_cast<Eigen::Index>(j);
        if (j + 1 < r_) value += covariance_(a + 1, b + 1);
        covariance_(a, b) = covariance_(b, a) = value;
      }
    }
    for (Eigen::Index i = static_cast<Eigen::Index>(r_); i < Size(); ++i) covariance_(i, i) = kUnknownVariance;
  }

  size_t r_;
  size_t lags_;
  std::vector<double> differences_;
  std::vector<double> ar_;
  // What an innovation adds to the ARMA state.
  std::vector<double> response_;
  double response_squares_ = 0;
  std::vector<double> state_;
  Matrix covariance_;
  Row seen_;
  bool settled_ = false;
};

struct Term {
  size_t lag;
  double weight;
};

std::vector<Term> Terms(absl::Span<const double> coefficients) {
  std::vector<Term> terms;
  for (size_t i = 0; i < coefficients.size(); ++i)
    if (coefficients[i] != 0) terms.push_back({i + 1, coefficients[i]});
  return terms;
}

}  // namespace

double ArimaLikelihood::sigma2() const {
  const double variance = count > 0 ? squares / count : std::numeric_limits<double>::infinity();
  return std::isfinite(variance) ? variance : std::numeric_limits<double>::infinity();
}

double ArimaLikelihood::Deviance() const {
  return count * (std::log(2 * std::numbers::pi * sigma2()) + 1) + logs;
}

ArimaFiltered KalmanFilter(const ArimaPolynomials& polynomials, absl::Span<const double> values,
                           bool keep_innovations) {
  ArimaFiltered filtered;
  Filter filter(polynomials);
  for (const double value : values) {
    const double innovation = filter.Step(value, filtered.likelihood);
    if (keep_innovations) filtered.innovations.push_back(innovation);
  }
  filtered.state = filter.state();
  return filtered;
}

ArimaLikelihood ConditionalFilter(const ArimaPolynomials& polynomials, absl::Span<const double> values) {
  const std::vector<Term> ar = Terms(polynomials.ar);
  const std::vector<Term> ma = Terms(polynomials.ma);
  std::vector<double> seen(values.begin(), values.end());
  std::vector<double> innovations(values.size());
  ArimaLikelihood likelihood;
  for (size_t t = 0; t < values.size(); ++t) {
    double mean = 0;
    for (const Term& term : ar)
      if (term.lag <= t) mean += term.weight * seen[t - term.lag];
    for (const Term& term : ma)
      if (term.lag <= t) mean += term.weight * innovations[t - term.lag];
    const bool known = !std::isnan(seen[t]);
    if (!known) seen[t] = mean;
    if (!known || t < polynomials.ar.size()) continue;
    innovations[t] = seen[t] - mean;
    likelihood.count += 1;
    likelihood.squares += innovations[t] * innovations[t];
  }
  return likelihood;
}

}  // namespace truce
