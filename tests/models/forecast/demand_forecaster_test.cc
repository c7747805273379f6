// A demand model as a forecaster, and how its quantiles are kept honest.
#include "models/forecast/demand_forecaster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "models/forecast/coverage.h"
#include "tests/models/forecast/any_demand_model.h"

namespace truce {
namespace {

using testing::HasSubstr;

std::shared_ptr<const DemandModel> AnyModel(uint64_t seed = 1) {
  return std::make_shared<const DemandModel>(AnyDemandModel(seed));
}

std::vector<double> Noise(size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::lognormal_distribution<double> draw(0, 0.7);
  std::vector<double> values(count);
  for (double& value : values) value = draw(random);
  return values;
}

const std::vector<double> kQuantiles = {0.02, 0.05, 0.3, 0.5, 0.77, 0.95, 0.999};

TEST(DemandForecasterTest, QuantilesAscendAndPeaksAreNoLowerThanValuesOrThanEarlierPeaks) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const auto forecaster = NewDemandForecaster(AnyModel(seed), 0);
    ASSERT_TRUE(forecaster->Fit(Noise(50, seed)).ok());
    const auto forecast = forecaster->Predict(12, kQuantiles);
    ASSERT_TRUE(forecast.ok());
    for (size_t step = 0; step < 12; ++step) {
      for (size_t q = 0; q < kQuantiles.size(); ++q) {
        EXPECT_GE(forecast->Value(step, q), 0) << "no value was negative";
        EXPECT_GE(forecast->Peak(step, q), forecast->Value(step, q));
        if (q > 0) {
          EXPECT_GE(forecast->Value(step, q), forecast->Value(step, q - 1));
          EXPECT_GE(forecast->Peak(step, q), forecast->Peak(step, q - 1));
        }
        if (step > 0) {
          EXPECT_GE(forecast->Peak(step, q), forecast->Peak(step - 1, q));
        }
      }
    }
  }
}

TEST(DemandForecasterTest, FittingIsObservingAllOfIt) {
  const std::vector<double> values = Noise(300, 3);
  const auto at_once = NewDemandForecaster(AnyModel(), 24);
  const auto one_by_one = NewDemandForecaster(AnyModel(), 24);
  ASSERT_TRUE(at_once->Fit(values).ok());
  ASSERT_TRUE(one_by_one->Fit(absl::MakeConstSpan(values).first(1)).ok());
  for (size_t i = 1; i < values.size(); ++i) one_by_one->Observe(values[i]);
  EXPECT_EQ(at_once->Predict(12, kQuantiles)->values, one_by_one->Predict(12, kQuantiles)->values);
  ASSERT_TRUE(at_once->Fit(values).ok()) << "what was seen before is forgotten";
  EXPECT_EQ(at_once->Predict(12, kQuantiles)->peaks, one_by_one->Predict(12, kQuantiles)->peaks);
}

TEST(DemandForecasterTest, WhatALeaderHasInStoreIsHeardAndNoLeaderIsAPushOfNothing) {
  const std::vector<double> values = Noise(100, 3);
  std::vector<LeaderPush> pushes(values.size());
  const auto forecaster = NewDemandForecaster(AnyModel(), 0);
  ASSERT_TRUE(forecaster->Fit(values).ok());
  const auto alone = forecaster->Predict(12, kQuantiles)->values;
  ASSERT_TRUE(forecaster->FitLed(values, pushes).ok());
  EXPECT_EQ(forecaster->Predict(12, kQuantiles)->values, alone);
  pushes.back() = {.change = {1, 2, 3, 4, 5}, .share = 0.7};
  ASSERT_TRUE(forecaster->FitLed(values, pushes).ok());
  EXPECT_NE(forecaster->Predict(12, kQuantiles)->values, alone);
  pushes.pop_back();
  EXPECT_THAT(forecaster->FitLed(values, pushes).message(), HasSubstr("100 values and 99 pushes"));
}

TEST(DemandForecasterTest, SaysWhatCantBeSaid) {
  const auto forecaster = NewDemandForecaster(AnyModel(), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(forecaster->Predict(1, {0.5}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(forecaster->Fit({NAN, NAN})));
  EXPECT_TRUE(absl::IsInvalidArgument(forecaster->Fit({})));
  ASSERT_TRUE(forecaster->Fit({NAN, 1, NAN}).ok());
  EXPECT_TRUE(forecaster->Predict(12, {0.5}).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(forecaster->Predict(1, {0.9, 0.5}).status()));
}

TEST(DemandForecasterTest, BeyondTheLastHorizonItBecomesLessSure) {
  const auto forecaster = NewDemandForecaster(AnyModel(), 0);
  ASSERT_TRUE(forecaster->Fit(Noise(200, 2)).ok());
  const auto forecast = forecaster->Predict(48, {0.4, 0.5, 0.6});
  ASSERT_TRUE(forecast.ok());
  for (size_t step = 12; step < 48; ++step) {
    EXPECT_EQ(forecast->Value(step, 1), forecast->Value(11, 1));
    EXPECT_LE(forecast->Value(step, 0), forecast->Value(step - 1, 0));
    EXPECT_GT(forecast->Value(step, 2), forecast->Value(step - 1, 2));
    EXPECT_GE(forecast->Peak(step, 2), forecast->Peak(step - 1, 2));
  }
}

TEST(DemandForecasterTest, NothingIsSaidFarBeyondWhatWasSeen) {
  // A network whose outputs are as far out as they can be.
  DemandWeights weights = AnyDemandModel().weights();
  weights.out_bias.setConstant(100);
  const auto forecaster = NewDemandForecaster(std::make_shared<const DemandModel>(std::move(weights)), 0);
  std::vector<double> values = Noise(200, 2);
  ASSERT_TRUE(forecaster->Fit(values).ok());
  const double highest = *std::max_element(values.begin(), values.end());
  const auto forecast = forecaster->Predict(12, {0.5, 0.99});
  ASSERT_TRUE(forecast.ok());
  for (size_t step = 0; step < 12; ++step) {
    EXPECT_GT(forecast->Peak(step, 1), highest);
    EXPECT_LT(forecast->Peak(step, 1), 2 * highest + 60);
  }
  const auto fresh = NewDemandForecaster(AnyModel(3), 0);
  ASSERT_TRUE(fresh->Fit({5}).ok());
  EXPECT_GT(fresh->Predict(12, {0.99})->Value(0, 0), 5) << "one value has no range, and may be left all the same";
}

// Values drawn from a distribution that the model's quantiles are far too narrow, or far too wide, for.
double ShareBelow(double spread, size_t quantile) {
  std::mt19937_64 random(5);
  std::normal_distribution<double> draw;
  Coverage coverage;
  int below = 0;
  constexpr int kSettle = 6000;
  constexpr int kCounted = 6000;
  for (int i = 0; i < kSettle + kCounted; ++i) {
    std::array<float, kDemandOutputs> outputs = {};
    for (size_t target = 0; target < kDemandTargets; ++target) {
      for (size_t q = 0; q < kDemandQuantiles.size(); ++q) {
        const double z[] = {-1.645, -0.674, 0, 0.674, 1.282, 1.645, 2.326};
        outputs[target * kDemandQuantiles.size() + q] = static_cast<float>(std::asinh(spread * z[q]));
      }
    }
    coverage.Correct(0, 1, &outputs);
    const double value = draw(random);
    if (i >= kSettle && std::asinh(value) <= outputs[quantile]) ++below;
    coverage.Came(value);
  }
  return static_cast<double>(below) / kCounted;
}

TEST(CoverageTest, AsManyValuesComeOutBelowAQuantileAsItPromises) {
  for (const double spread : {0.7, 1.0, 2.5}) {
    for (const size_t quantile : {1UL, 4UL, 5UL}) {
      EXPECT_NEAR(ShareBelow(spread, quantile), kDemandQuantiles[quantile], 0.02) << spread << ", " << quantile;
    }
  }
}

TEST(CoverageTest, QuantilesBetweenLieOnTheLine) {
  const float outputs[] = {-2, -1, 0, 1, 2, 3, 5};
  EXPECT_FLOAT_EQ(QuantileAt(outputs, 0.5), 0);
  EXPECT_FLOAT_EQ(QuantileAt(outputs, 0.95), 3);
  EXPECT_GT(QuantileAt(outputs, 0.93), 2);
  EXPECT_LT(QuantileAt(outputs, 0.93), 3);
  EXPECT_LT(QuantileAt(outputs, 0.01), -2);
  EXPECT_GT(QuantileAt(outputs, 0.995), 5);
}

}  // namespace
}  // namespace truce
