// All forecasters: what holds for any series, and that each is good at what it is for.
#include "models/forecast/methods.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

#include "tests/models/forecast/processes.h"

namespace truce {
namespace {

constexpr double kQuantiles[] = {0.05, 0.5, 0.95};

struct Method {
  std::string name;
  std::function<std::unique_ptr<Forecaster>()> make;
};

std::vector<Method> Methods() {
  return {{"ets", [] { return NewEtsForecaster(); }},     {"arima", [] { return NewArimaForecaster(); }},
          {"ses", [] { return NewSesForecaster(); }},     {"theta", [] { return NewThetaForecaster(); }},
          {"naive", [] { return NewNaiveForecaster(); }}, {"base", [] { return NewBaseForecaster(); }}};
}

std::vector<double> Times(std::vector<double> values, double factor) {
  for (double& value : values) value *= factor;
  return values;
}

std::vector<std::vector<double>> OddSeries() {
  std::vector<double> gaps = Arma(200, 0.8, 0, 0, 20, 1);
  for (size_t i = 0; i < gaps.size(); ++i)
    if (i % 2 == 0 || (i > 50 && i < 90)) gaps[i] = kMissing;
  std::vector<double> infinite = Arma(100, 0.8, 0, 0, 20, 1);
  infinite[40] = std::numeric_limits<double>::infinity();
  std::vector<double> ends = Noise(100, 3);
  ends[0] = ends[99] = ends[98] = kMissing;
  std::vector<double> step(80, 1.0);
  step.resize(160, 50.0);
  return {{5},
          {5, 6},
          {5, kMissing, 7},
          {1, 2, 3, 4},
          {4, 1, 3, 2, 9},
          std::vector<double>(60, 0),
          std::vector<double>(60, 42),
          Times(Arma(100, 0.8, 0, 0, 20, 1), 1e15),
          Times(Arma(100, 0.8, 0, 0, 20, 1), 1e-15),
          gaps,
          infinite,
          ends,
          step,
          Spikes(300, 4),
          Sums(Noise(120, 5)),
          Wave(150, 24, 5, 20, 6),
          {kMissing, kMissing, 3, kMissing}};
}

TEST(MethodsTest, AnySeriesHasAForecastWhoseQuantilesDoNotCross) {
  for (const Method& method : Methods()) {
    int series = 0;
    for (const std::vector<double>& values : OddSeries()) {
      const std::string what = method.name + " on series " + std::to_string(series++);
      const auto forecaster = method.make();
      ASSERT_TRUE(forecaster->Fit(values).ok()) << what;
      for (const double seen : {values.back(), kMissing, values.front()}) {
        forecaster->Observe(seen);
        const auto forecast = forecaster->Predict(15, kQuantiles);
        ASSERT_TRUE(forecast.ok()) << what << forecast.status();
        ASSERT_EQ(forecast->values.size(), 45u);
        ASSERT_EQ(forecast->peaks.size(), 45u);
        for (size_t step = 0; step < 15; ++step) {
          for (size_t i = 0; i < 3; ++i) {
            ASSERT_TRUE(std::isfinite(forecast->Value(step, i)) && std::isfinite(forecast->Peak(step, i))) << what;
            ASSERT_GE(forecast->Peak(step, i), forecast->Value(step, i)) << what;
            if (i > 0) {
              ASSERT_GE(forecast->Value(step, i), forecast->Value(step, i - 1)) << what;
            }
            if (i > 0) {
              ASSERT_GE(forecast->Peak(step, i), forecast->Peak(step, i - 1)) << what;
            }
            if (step > 0) {
              ASSERT_GE(forecast->Peak(step, i), forecast->Peak(step - 1, i)) << what;
            }
          }
        }
      }
    }
  }
}

TEST(MethodsTest, TheSameSeriesHasTheSameForecast) {
  const std::vector<double> values = Spikes(300, 9);
  for (const Method& method : Methods()) {
    const auto one = method.make(), other = method.make();
    ASSERT_TRUE(one->Fit(values).ok() && other->Fit(values).ok());
    EXPECT_EQ(one->Predict(12, kQuantiles)->values, other->Predict(12, kQuantiles)->values) << method.name;
    EXPECT_EQ(one->Predict(12, kQuantiles)->peaks, one->Predict(12, kQuantiles)->peaks) << method.name;
    // Whatever was learned before is forgotten.
    ASSERT_TRUE(one->Fit(Noise(200, 1)).ok() && one->Fit(values).ok());
    EXPECT_EQ(one->Predict(12, kQuantiles)->values, other->Predict(12, kQuantiles)->values) << method.name;
  }
}

TEST(MethodsTest, WhatIsWrongIsSaid) {
  for (const Method& method : Methods()) {
    const auto forecaster = method.make();
    EXPECT_TRUE(absl::IsFailedPrecondition(forecaster->Predict(1, kQuantiles).status())) << method.name;
    forecaster->Observe(1);
    EXPECT_TRUE(absl::IsInvalidArgument(forecaster->Fit({}))) << method.name;
    EXPECT_TRUE(absl::IsInvalidArgument(forecaster->Fit({kMissing, kMissing}))) << method.name;
    ASSERT_TRUE(forecaster->Fit({1, 2, 3, 2, 1}).ok());
    EXPECT_TRUE(absl::IsInvalidArgument(forecaster->Predict(0, kQuantiles).status())) << method.name;
    EXPECT_TRUE(absl::IsInvalidArgument(forecaster->Predict(1, {0.9, 0.5}).status())) << method.name;
    EXPECT_TRUE(absl::IsInvalidArgument(forecaster->Fit({kMissing}))) << method.name;
    EXPECT_TRUE(absl::IsFailedPrecondition(forecaster->Predict(1, kQuantiles).status())) << method.name;
  }
}

TEST(MethodsTest, LoadIsNeverNegativeAndNeverRunsAway) {
  const std::vector<double> values = Spikes(400, 2);
  for (const Method& method : Methods()) {
    const auto forecaster = method.make();
    ASSERT_TRUE(forecaster->Fit(values).ok());
    const auto forecast = forecaster->Predict(200, {0.001, 0.999});
    ASSERT_TRUE(forecast.ok());
    EXPECT_THAT(forecast->values, testing::Each(testing::AllOf(testing::Ge(0), testing::Le(180)))) << method.name;
  }
}

// The share of values below the forecast quantile, and of peaks, over many origins of a series with skewed innovations
// such as no normal distribution has.
TEST(MethodsTest, QuantilesCoverWhatTheySay) {
  std::mt19937 random(6);
  std::exponential_distribution<double> exponential;
  std::vector<double> values = {10};
  for (size_t i = 1; i < 3000; ++i) values.push_back(3 + 0.7 * values.back() + exponential(random) - 1);
  for (const Method& method : Methods()) {
    if (method.name == "naive" || method.name == "theta") continue;  // not made for a series with a mean
    const auto forecaster = method.make();
    const absl::Span<const double> all(values);
    ASSERT_TRUE(forecaster->Fit(all.subspan(0, 1000)).ok());
    double below_half = 0, below_high = 0, peaks = 0, origins = 0;
    for (size_t i = 1000; i + 6 < values.size(); ++i) {
      if (i % 6 == 0) {
        const auto forecast = forecaster->Predict(6, {0.5, 0.95});
        ASSERT_TRUE(forecast.ok());
        double peak = 0;
        for (size_t step = 0; step < 6; ++step) {
          below_half += values[i + step] <= forecast->Value(step, 0);
          below_high += values[i + step] <= forecast->Value(step, 1);
          peak = std::max(peak, values[i + step]);
        }
        peaks += peak <= forecast->Peak(5, 1);
        origins += 1;
      }
      forecaster->Observe(values[i]);
    }
    EXPECT_NEAR(below_half / origins / 6, 0.5, 0.08) << method.name;
    EXPECT_NEAR(below_high / origins / 6, 0.95, 0.035) << method.name;
    EXPECT_NEAR(peaks / origins, 0.95, 0.05) << method.name;
  }
}

// Mean absolute error of the medians over 12 steps, from origins over the last fifth.
double ErrorOf(Forecaster& forecaster, absl::Span<const double> values) {
  const size_t begin = values.size() * 4 / 5;
  EXPECT_TRUE(forecaster.Fit(values.subspan(0, begin)).ok());
  double sum = 0, count = 0;
  for (size_t i = begin; i + 12 <= values.size(); ++i) {
    if (i % 6 == 0) {
      const auto forecast = forecaster.Predict(12, {0.5});
      for (size_t step = 0; step < 12; ++step, ++count) sum += std::fabs(values[i + step] - forecast->Value(step, 0));
    }
    forecaster.Observe(values[i]);
  }
  return sum / count;
}

TEST(BaseForecasterTest, IsNeverMuchWorseThanNaiveAndMuchBetterWhereThatIsBad) {
  struct Case {
    const char* name;
    std::vector<double> values;
    double at_most;  // of naive's error
  };
  for (const Case& one : {Case{"random walk", Sums(Noise(600, 3)), 1.1}, Case{"noise", Noise(600, 3), 0.8},
                          Case{"spikes", Spikes(600, 3), 0.9}, Case{"returning", Arma(600, 0.7, 0, 0, 0, 3), 0.9},
                          Case{"drift", Sums(Noise(600, 3), 2), 1.1}, Case{"day", Wave(5 * 288, 288, 10, 50, 3), 0.7},
                          Case{"short season", Wave(240, 12, 10, 50, 3), 0.3}}) {
    const double naive = ErrorOf(*NewNaiveForecaster(), one.values);
    EXPECT_LT(ErrorOf(*NewBaseForecaster(), one.values), one.at_most * naive) << one.name;
  }
}

TEST(BaseForecasterTest, ASeasonHelpsWhereItIsAndDoesNoHarmWhereItIsNot) {
  const std::vector<double> day = Wave(5 * 288, 288, 10, 50, 5);
  const SeasonRule none{SeasonRule::Kind::kNone, {}}, among{SeasonRule::Kind::kAmong, {288}};
  EXPECT_LT(ErrorOf(*NewBaseForecaster(among), day), 0.9 * ErrorOf(*NewBaseForecaster(none), day));
  const std::vector<double> walk = Sums(Noise(5 * 288, 5));
  EXPECT_LT(ErrorOf(*NewBaseForecaster(among), walk), 1.05 * ErrorOf(*NewBaseForecaster(none), walk));
  // Even forced on, as the choice judges by what came.
  const SeasonRule forced{SeasonRule::Kind::kGiven, {288}};
  EXPECT_LT(ErrorOf(*NewBaseForecaster(forced), walk), 1.2 * ErrorOf(*NewBaseForecaster(none), walk));
}

}  // namespace
}  // namespace truce
