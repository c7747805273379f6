// ARIMA: its likelihood against the definition, what it recovers, the orders that it chooses.
#include "models/forecast/arima.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>
#include <numbers>

#include "models/forecast/arima_filter.h"
#include "tests/models/forecast/processes.h"

namespace truce {
namespace {

// Log density of a zero-mean normal vector whose covariance is that of the ARMA process with variance-1 innovations, by
// definition: autocovariances summed from many impulse weights.
double LogDensity(const ArimaPolynomials& polynomials, const std::vector<double>& values) {
  constexpr size_t kWeights = 3000;
  std::vector<double> psi(kWeights);
  for (size_t k = 0; k < kWeights; ++k) {
    psi[k] = k == 0 ? 1 : (k <= polynomials.ma.size() ? polynomials.ma[k - 1] : 0);
    for (size_t i = 1; i <= polynomials.ar.size() && i <= k; ++i) psi[k] += polynomials.ar[i - 1] * psi[k - i];
  }
  std::vector<size_t> known;
  for (size_t i = 0; i < values.size(); ++i)
    if (!std::isnan(values[i])) known.push_back(i);
  const auto n = static_cast<Eigen::Index>(known.size());
  Eigen::MatrixXd covariance(n, n);
  Eigen::VectorXd seen(n);
  for (Eigen::Index i = 0; i < n; ++i) {
    seen(i) = values[known[static_cast<size_t>(i)]];
    for (Eigen::Index j = 0; j <= i; ++j) {
      const size_t lag = known[static_cast<size_t>(i)] - known[static_cast<size_t>(j)];
      double sum = 0;
      for (size_t k = 0; k + lag < kWeights; ++k) sum += psi[k] * psi[k + lag];
      covariance(i, j) = covariance(j, i) = sum;
    }
  }
  const Eigen::LLT<Eigen::MatrixXd> factor(covariance);
  const double logs = 2 * Eigen::MatrixXd(factor.matrixL()).diagonal().array().log().sum();
  return -0.5 * (static_cast<double>(n) * std::log(2 * std::numbers::pi) + logs + seen.dot(factor.solve(seen)));
}

double FilteredLogDensity(const ArimaPolynomials& polynomials, const std::vector<double>& values) {
  const ArimaLikelihood likelihood = KalmanFilter(polynomials, values, false).likelihood;
  return -0.5 * (likelihood.count * std::log(2 * std::numbers::pi) + likelihood.logs + likelihood.squares);
}

TEST(ArimaFilterTest, IsTheDensityOfTheProcess) {
  const ArimaOrder order{2, 0, 1, 1, 0, 1, 4, false};
  const ArimaPolynomials seasonal = Expand(order, {{0.5, 0.2}, {0.4}, {0.3}, {-0.6}, 0});
  for (const ArimaPolynomials& polynomials :
       {ArimaPolynomials{{0.5, 0.3}, {0.4}, {}}, ArimaPolynomials{{}, {0.4, -0.2, 0.5}, {}},
        ArimaPolynomials{{0.9}, {}, {}}, ArimaPolynomials{{}, {}, {}}, seasonal}) {
    std::vector<double> values = Noise(40, 9);
    EXPECT_NEAR(FilteredLogDensity(polynomials, values), LogDensity(polynomials, values), 1e-6);
    values[0] = values[10] = values[11] = values[30] = kMissing;
    EXPECT_NEAR(FilteredLogDensity(polynomials, values), LogDensity(polynomials, values), 1e-6);
  }
}

TEST(ArimaFilterTest, UnknownBeginningsAreWorthWhatDifferencingIs) {
  const ArimaOrder order{1, 1, 1, 0, 1, 1, 4, false};
  std::vector<double> values = Sums(Arma(80, 0.5, 0, 0, 0, 4));
  const auto whole = FitArima(values, order);
  values.push_back(kMissing);  // which makes the filter run on the series itself
  const auto gap = FitArima(values, order);
  ASSERT_TRUE(whole.ok() && gap.ok());
  EXPECT_NEAR(gap->log_likelihood, whole->log_likelihood, 1e-3);
  ModelState state = whole->model.state();
  whole->model.Advance(state, 0);
  EXPECT_NEAR(gap->model.Mean(gap->model.state()), whole->model.Mean(state), 1e-3);
}

TEST(ArimaTest, RecoversParameters) {
  const auto fit = FitArima(Arma(3000, 0.6, 0.2, 0.4, 50, 1), {2, 0, 1, 0, 0, 0, 1, true});
  ASSERT_TRUE(fit.ok()) << fit.status();
  EXPECT_THAT(fit->model.parameters().ar,
              testing::ElementsAre(testing::DoubleNear(0.6, 0.1), testing::DoubleNear(0.2, 0.1)));
  EXPECT_NEAR(fit->model.parameters().ma[0], 0.4, 0.1);
  EXPECT_NEAR(fit->model.parameters().constant, 50, 0.5);
  EXPECT_NEAR(fit->sigma2, 1, 0.08);
}

TEST(ArimaTest, RecoversASeasonalModelThroughGaps) {
  const ArimaOrder order{0, 1, 1, 0, 1, 1, 12, false};
  const ArimaModel truth(order, {{}, {-0.4}, {}, {-0.6}, 0}, std::vector<double>(14), std::vector<double>(13), 0);
  ModelState state = truth.state();
  std::vector<double> values;
  for (const double innovation : Noise(480, 8)) {
    values.push_back(truth.Mean(state) + innovation);
    truth.Advance(state, innovation);
  }
  values[100] = values[101] = values[300] = kMissing;
  const auto fit = FitArima(values, order);
  ASSERT_TRUE(fit.ok()) << fit.status();
  EXPECT_NEAR(fit->model.parameters().ma[0], -0.4, 0.12);
  EXPECT_NEAR(fit->model.parameters().seasonal_ma[0], -0.6, 0.12);
}

TEST(ArimaTest, ForecastsGoBackToTheMeanAndAlongTheDrift) {
  auto mean = FitArima(Arma(2000, 0.8, 0, 0, 20, 2), {1, 0, 0, 0, 0, 0, 1, true});
  ASSERT_TRUE(mean.ok());
  const double constant = mean->model.parameters().constant, ar = mean->model.parameters().ar[0];
  mean->model.Observe(30);
  EXPECT_NEAR(mean->model.Mean(mean->model.state()), constant + ar * (30 - constant), 1e-9);
  mean->model.Observe(kMissing);
  EXPECT_NEAR(mean->model.Mean(mean->model.state()), constant + ar * ar * (30 - constant), 1e-9);

  const auto drift = FitArima(Sums(Noise(1000, 2), 0.5), {0, 1, 0, 0, 0, 0, 1, true});
  ASSERT_TRUE(drift.ok());
  ModelState state = drift->model.state();
  const double first = drift->model.Mean(state);
  drift->model.Advance(state, 0);
  EXPECT_NEAR(drift->model.Mean(state) - first, 0.5, 0.1);
}

TEST(ArimaTest, DifferencesWhatHasToBe) {
  EXPECT_EQ(SelectDifferences(Noise(400, 1), 1).d, 0u);
  EXPECT_EQ(SelectDifferences(Sums(Noise(400, 1)), 1).d, 1u);
  EXPECT_EQ(SelectDifferences(Sums(Sums(Noise(400, 1))), 1).d, 2u);
  EXPECT_EQ(SelectDifferences(Wave(120, 12, 5, 0, 1), 12).seasonal_d, 1u);
  EXPECT_EQ(SelectDifferences(Noise(120, 1), 12).seasonal_d, 0u);
}

TEST(ArimaTest, ItsChoiceIsAsGoodAsTheTruth) {
  for (const unsigned seed : {1u, 2u, 3u}) {
    for (const size_t count : {120u, 600u}) {
      const std::vector<double> values = Arma(count, 0.5, 0.3, 0, 10, seed);
      const auto truth = FitArima(values, {2, 0, 0, 0, 0, 0, 1, true});
      const auto chosen = SelectArima(values, 1);
      ASSERT_TRUE(truth.ok() && chosen.ok());
      // Likelihoods compare only between the same differences.
      if (chosen->model.order().d == 0) {
        EXPECT_LT(chosen->aicc, truth->aicc + 2) << chosen->model.order().Name();
      }
    }
  }
}

TEST(ArimaTest, NoiseHasNoOrder) {
  const auto fit = SelectArima(Noise(500, 12), 1);
  ASSERT_TRUE(fit.ok());
  const ArimaOrder& order = fit->model.order();
  EXPECT_EQ(order.d, 0u);
  EXPECT_LE(order.p + order.q, 1u) << order.Name();
}

TEST(ArimaTest, RefusesWhatItCannotFit) {
  EXPECT_FALSE(FitArima({}, {}).ok());
  EXPECT_FALSE(FitArima({kMissing, kMissing}, {}).ok());
  EXPECT_FALSE(FitArima({1.0, 2.0}, {0, 2, 0, 0, 0, 0, 1, false}).ok());
  EXPECT_FALSE(FitArima(Noise(50, 1), {0, 2, 0, 0, 0, 0, 1, true}).ok());
  EXPECT_FALSE(FitArima(Noise(500, 1), {0, 0, 0, 1, 0, 0, 48, false}).ok());
  EXPECT_FALSE(SelectArima({kMissing}, 1).ok());
}

TEST(ArimaTest, SelectsOnAnythingThatHasAValue) {
  for (const std::vector<double>& values : {std::vector<double>{7},
                                            {7, 8},
                                            {7, kMissing, 9},
                                            {0, 0, 0, 0, 0, 0, 0, 0},
                                            std::vector<double>(50, 3.5),
                                            {1, 2, 3, 4, 5, 6, 7},
                                            {5, kMissing, kMissing, kMissing, 6, kMissing, 7, 8, 5, 3}}) {
    const auto fit = SelectArima(values, 12);
    ASSERT_TRUE(fit.ok()) << values.size() << fit.status();
    EXPECT_TRUE(std::isfinite(fit->model.Mean(fit->model.state()))) << fit->model.order().Name();
  }
}

}  // namespace
}  // namespace truce
