// A method that names one value has honest quantiles, from its own errors.
#include "lab/forecast/point_method.h"

#include <gmock/gmock.h>

#include <cmath>
#include <random>

#include "lab/forecast/baselines.h"
#include "lab/forecast/recent_errors.h"

namespace truce::lab {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(RecentErrorsTest, QuantilesOfTheNewest) {
  RecentErrors errors(4);
  for (const double error : std::initializer_list<double>{100, 3, 1, NAN, 4, 2}) errors.Add(error);
  // 100 was the oldest of five: 1, 2, 3, 4 are left, and the median's rank among them is 2.5.
  EXPECT_DOUBLE_EQ(errors.Quantile(0.5), 2.5);
  EXPECT_DOUBLE_EQ(errors.Quantile(0.7), 3.5);
  EXPECT_DOUBLE_EQ(errors.Quantile(0.95), 4) << "too few for that: the largest";
  EXPECT_DOUBLE_EQ(errors.Quantile(0.05), 1);
  errors.Clear();
  EXPECT_TRUE(errors.empty());
}

TEST(WithOwnErrorsTest, TheMedianIsThePointAndTheRestIsItsErrors) {
  // Rises by one each step: naive errs by h at h steps, always.
  auto forecaster = WithOwnErrors(NewNaive(), 3);
  std::vector<double> history;
  for (int i = 0; i < 40; ++i) history.push_back(i);
  ASSERT_TRUE(forecaster->Fit(history).ok());
  const auto forecast = forecaster->Predict(3, {0.1, 0.5, 0.9});
  ASSERT_TRUE(forecast.ok()) << forecast.status();
  // The low quantile would be above the median, which it may not.
  EXPECT_THAT(forecast->values, ElementsAre(39, 39, 40, 39, 39, 41, 39, 39, 42));
  EXPECT_THAT(forecast->peaks, ElementsAre(39, 39, 40, 39, 39, 41, 39, 39, 42));
}

TEST(WithOwnErrorsTest, ErrorsGoOnWithWhatIsObserved) {
  auto forecaster = WithOwnErrors(NewNaive(), 2);
  ASSERT_TRUE(forecaster->Fit(std::vector<double>(20, 5.0)).ok());
  EXPECT_EQ(forecaster->Predict(2, {0.99})->Value(0, 0), 5);
  forecaster->Observe(9);
  forecaster->Observe(5);
  const auto forecast = forecaster->Predict(2, {0.99});
  EXPECT_EQ(forecast->Value(0, 0), 9);
  EXPECT_EQ(forecast->Peak(1, 0), 9);
}

TEST(WithOwnErrorsTest, AMissingValueIsNoErrorAndNoPeak) {
  auto forecaster = WithOwnErrors(NewNaive(), 2);
  std::vector<double> history(20, 5.0);
  history[15] = NAN;
  ASSERT_TRUE(forecaster->Fit(history).ok());
  const auto forecast = forecaster->Predict(2, {0.01, 0.99});
  ASSERT_TRUE(forecast.ok()) << forecast.status();
  EXPECT_THAT(forecast->values, testing::Each(5));
  EXPECT_THAT(forecast->peaks, testing::Each(5));
}

TEST(WithOwnErrorsTest, QuantilesCoverWhatTheySayOfWhatComes) {
  std::mt19937 random(3);
  std::exponential_distribution<double> value(0.1);
  std::vector<double> history;
  for (int i = 0; i < 600; ++i) history.push_back(value(random));
  auto forecaster = WithOwnErrors(NewMeanOfLast(12), 6);
  ASSERT_TRUE(forecaster->Fit(history).ok());
  std::vector<double> future;
  for (int i = 0; i < 4006; ++i) future.push_back(value(random));
  int covered = 0;
  int peaks = 0;
  for (size_t t = 0; t < 4000; ++t) {
    const auto forecast = forecaster->Predict(6, {0.9});
    covered += future[t + 5] <= forecast->Value(5, 0);
    double peak = 0;
    for (size_t step = 0; step < 6; ++step) peak = std::max(peak, future[t + step]);
    peaks += peak <= forecast->Peak(5, 0);
    forecaster->Observe(future[t]);
  }
  EXPECT_NEAR(covered / 4000.0, 0.9, 0.02);
  EXPECT_NEAR(peaks / 4000.0, 0.9, 0.03);
}

TEST(WithOwnErrorsTest, MoreStepsThanItWasMadeForAreRefused) {
  auto forecaster = WithOwnErrors(NewNaive(), 3);
  ASSERT_TRUE(forecaster->Fit({1, 2, 3}).ok());
  EXPECT_THAT(std::string(forecaster->Predict(4, {0.5}).status().message()), HasSubstr("made for 3"));
}

TEST(AsItIsTest, ARuleSaysOneNumber) {
  auto forecaster = AsItIs(NewMaxOfLast(3));
  ASSERT_TRUE(forecaster->Fit({9, 1, 4, 2}).ok());
  const auto forecast = forecaster->Predict(2, {0.5, 0.95});
  ASSERT_TRUE(forecast.ok()) << forecast.status();
  EXPECT_THAT(forecast->values, ElementsAre(4, 4, 4, 4));
  EXPECT_THAT(forecast->peaks, ElementsAre(4, 4, 4, 4));
}

}  // namespace
}  // namespace truce::lab
