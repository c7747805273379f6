// Each method says what it is defined to say, over gaps and with little to go by; and none sees what is to come.
#include "lab/forecast/baselines.h"

#include <gmock/gmock.h>

#include <cmath>
#include <random>

#include "lab/forecast/methods.h"

namespace truce::lab {
namespace {

using testing::DoubleNear;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pointwise;

std::vector<double> Next(PointMethod& method, size_t steps) {
  std::vector<double> next(steps);
  method.Predict(absl::MakeSpan(next));
  return next;
}

std::vector<double> After(std::unique_ptr<PointMethod> method, const std::vector<double>& history, size_t steps) {
  method->Fit(history);
  return Next(*method, steps);
}

TEST(NaiveTest, TheLastKnownValueGoesOn) {
  EXPECT_THAT(After(NewNaive(), {3, 7, NAN, NAN}, 3), Each(7));
  auto method = NewNaive();
  method->Fit(std::vector<double>{1});
  method->Observe(2);
  method->Observe(NAN);
  EXPECT_THAT(Next(*method, 2), Each(2));
}

TEST(SeasonalNaiveTest, ThePeriodRepeats) {
  EXPECT_THAT(After(NewSeasonalNaive(3), {9, 1, 2, 3}, 5), ElementsAre(1, 2, 3, 1, 2));
  EXPECT_THAT(After(NewSeasonalNaive(3), {1, NAN, 3}, 3), ElementsAre(1, 3, 3)) << "missing: the last known";
  EXPECT_THAT(After(NewSeasonalNaive(4), {1, 2}, 4), ElementsAre(2, 2, 1, 2)) << "not yet there: the last known";
}

TEST(MeanOfLastTest, OnlyKnownValuesCount) {
  EXPECT_THAT(After(NewMeanOfLast(3), {100, 1, NAN, 3}, 2), Each(2));
  EXPECT_THAT(After(NewMeanOfLast(2), {5, NAN, NAN}, 1), Each(5));
}

TEST(MaxOfLastTest, TheLargestOfTheWindow) {
  EXPECT_THAT(After(NewMaxOfLast(3), {100, 1, 4, 2}, 2), Each(4));
  EXPECT_THAT(After(NewMaxOfLast(2), {5, NAN, NAN}, 1), Each(5));
}

TEST(MaxOfHourAndYesterdayTest, TheHourToComeWasYesterdayToo) {
  // An hour of 2, a day of 6: the last hour is 4, 5; the hour to come was 9, 1 a day ago.
  EXPECT_THAT(After(NewMaxOfHourAndYesterday(2, 6), {70, 9, 1, 3, 80, 4, 5}, 2), Each(9));
  EXPECT_THAT(After(NewMaxOfHourAndYesterday(2, 6), {9, 1, 3, 4, 5}, 2), Each(5)) << "no day yet";
}

TEST(AutoregressionTest, ALinearRecurrenceIsFoundAndContinued) {
  std::vector<double> values = {1, 3};
  while (values.size() < 60) {
    values.push_back(4 + 1.2 * values.back() - 0.6 * values[values.size() - 2]);
  }
  const std::vector<double> history(values.begin(), values.begin() + 40);
  const std::vector<double> rest(values.begin() + 40, values.begin() + 50);
  EXPECT_THAT(After(NewAutoregression(2), history, 10), Pointwise(DoubleNear(1e-4), rest));
}

TEST(AutoregressionTest, GapsAreNoRowsAndAreBridged) {
  std::vector<double> values = {1, 3};
  while (values.size() < 80) values.push_back(4 + 1.2 * values.back() - 0.6 * values[values.size() - 2]);
  std::vector<double> history(values.begin(), values.begin() + 60);
  history[20] = history[58] = history[59] = NAN;
  auto method = NewAutoregression(2);
  method->Fit(history);
  EXPECT_NEAR(Next(*method, 1)[0], values[60], 1e-3);
  method->Observe(NAN);
  EXPECT_NEAR(Next(*method, 1)[0], values[61], 1e-3);
}

TEST(AutoregressionTest, TooLittleToFitIsTheMean) {
  EXPECT_THAT(After(NewAutoregression(12), {1, 2, 6}, 2), Each(DoubleNear(3, 1e-9)));
  EXPECT_THAT(After(NewAutoregression(12), {NAN, 4, NAN}, 2), Each(4));
  EXPECT_THAT(After(NewAutoregression(2), std::vector<double>(50, 7.0), 2), Each(7)) << "what never changed";
}

// Falls half of the way back to 50 at each step, and is pushed off by noise.
Series MadeUp(double level, double scale, uint32_t seed) {
  Series series;
  std::mt19937 random(seed);
  std::normal_distribution<double> noise;
  double state = 0;
  for (int i = 0; i < 2000; ++i) {
    state = 0.5 * state + noise(random);
    series.values.push_back(level + scale * state);
  }
  return series;
}

TEST(PooledAutoregressionTest, LearnsFromSeriesOfAnyLevelAndUnit) {
  const auto fitted = FitPooledAutoregression(16, {MadeUp(0, 1, 1), MadeUp(1e6, 1e3, 2), MadeUp(-5, 0.1, 3)});
  ASSERT_TRUE(fitted.ok()) << fitted.status();
  const Series unknown = MadeUp(300, 20, 4);
  auto method = NewPooledAutoregression(*fitted);
  method->Fit(absl::MakeConstSpan(unknown.values).first(500));
  double error = 0;
  double naive = 0;
  for (size_t t = 500; t < unknown.values.size(); ++t) {
    error += std::abs(unknown.values[t] - Next(*method, 1)[0]);
    naive += std::abs(unknown.values[t] - unknown.values[t - 1]);
    method->Observe(unknown.values[t]);
  }
  // Who knows process and level errs by the noise alone: 0.87 of what naive errs by. Sixteen values tell the level
  // well.
  EXPECT_LT(error, 0.92 * naive);
}

TEST(PooledAutoregressionTest, NothingToLearnFromIsSaid) {
  Series constant;
  constant.values.assign(1000, 5.0);
  EXPECT_THAT(std::string(FitPooledAutoregression(4, {constant}).status().message()), HasSubstr("never change"));
  EXPECT_FALSE(FitPooledAutoregression(4, {}).ok());
}

TEST(DecayingHistogramTest, ThePercentileAndItsMargin) {
  std::vector<double> history(1000, 10.0);
  for (size_t i = 0; i < 30; ++i) history[i * 33] = 100;  // 3 %
  const double mostly = After(NewDecayingHistogram(1'000'000), history, 1)[0];
  EXPECT_GT(mostly, 1.15 * 10);
  EXPECT_LT(mostly, 1.15 * 10 * 1.06) << "the end of a bucket is at most 5 % above";
  for (size_t i = 0; i < 40; ++i) history[i * 25 + 1] = 100;  // 7 % in all
  EXPECT_GT(After(NewDecayingHistogram(1'000'000), history, 1)[0], 1.15 * 100);
}

TEST(DecayingHistogramTest, WhatIsOldIsForgotten) {
  auto method = NewDecayingHistogram(100);
  method->Fit(std::vector<double>(1000, 100.0));
  for (int i = 0; i < 300; ++i) method->Observe(10);
  EXPECT_GT(Next(*method, 1)[0], 100) << "an eighth of the weight is still there";
  // Long enough for the weights to be scaled down.
  for (int i = 0; i < 40'000; ++i) method->Observe(i % 2 == 0 ? 10 : NAN);
  EXPECT_LT(Next(*method, 1)[0], 1.15 * 10 * 1.06);
  EXPECT_THAT(After(NewDecayingHistogram(10), {0, 0, 0}, 1), Each(DoubleNear(0, 0.01)));
}

TEST(OthersTest, ADemandModelIsTunedOnceForAllWhoAsk) {
  const std::vector<Series> few = {MadeUp(10, 2, 7)};
  Others others(few);
  const auto first = others.TunedDemandModel(288), second = others.TunedDemandModel(288);
  ASSERT_TRUE(first.ok() && second.ok()) << first.status();
  EXPECT_EQ(*first, *second);
  EXPECT_NE(*first, *others.TunedDemandModel(0)) << "another season is another model";
}

TEST(ForecastMethodsTest, EveryMethodKeepsTheContract) {
  const std::vector<Series> other = {MadeUp(10, 2, 7)};
  Others others(other);
  const Series series = MadeUp(50, 5, 8);
  for (const ForecastMethod& method : ForecastMethods()) {
    SCOPED_TRACE(method.name);
    const auto make = method.prepare({12, 300}, others);
    ASSERT_TRUE(make.ok()) << make.status();
    const auto forecaster = (*make)();
    const std::vector<double> quantiles = {0.05, 0.5, 0.95};
    EXPECT_TRUE(absl::IsFailedPrecondition(forecaster->Predict(12, quantiles).status()));
    EXPECT_TRUE(absl::IsInvalidArgument(forecaster->Fit({})));
    EXPECT_TRUE(absl::IsInvalidArgument(forecaster->Fit({NAN, NAN})));
    for (const size_t length : {size_t{1}, size_t{2}, size_t{30}, series.values.size()}) {
      ASSERT_TRUE(forecaster->Fit(absl::MakeConstSpan(series.values).first(length)).ok());
      forecaster->Observe(NAN);
      forecaster->Observe(48);
      const auto forecast = forecaster->Predict(12, quantiles);
      ASSERT_TRUE(forecast.ok()) << forecast.status();
      for (size_t step = 0; step < 12; ++step) {
        for (size_t i = 0; i < 3; ++i) {
          EXPECT_TRUE(std::isfinite(forecast->Value(step, i)));
          EXPECT_GE(forecast->Peak(step, i), forecast->Value(step, i));
          if (i > 0) {
            EXPECT_GE(forecast->Value(step, i), forecast->Value(step, i - 1));
          }
          if (i > 0) {
            EXPECT_GE(forecast->Peak(step, i), forecast->Peak(step, i - 1));
          }
          if (step > 0) {
            EXPECT_GE(forecast->Peak(step, i), forecast->Peak(step - 1, i));
          }
        }
      }
    }
    EXPECT_TRUE(absl::IsInvalidArgument(forecaster->Predict(0, quantiles).status()));
    EXPECT_TRUE(absl::IsInvalidArgument(forecaster->Predict(12, {0.9, 0.5}).status()));
  }
}

TEST(ForecastMethodsTest, WhatThereIsNotIsToldWithWhatThereIs) {
  const auto found = FindForecastMethod("oracle");
  EXPECT_TRUE(absl::IsInvalidArgument(found.status()));
  EXPECT_THAT(std::string(found.status().message()), testing::AllOf(HasSubstr("'oracle'"), HasSubstr("pooled-ar-24")));
}

}  // namespace
}  // namespace truce::lab
