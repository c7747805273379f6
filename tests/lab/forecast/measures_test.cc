// Figures against numbers that were worked out by hand.
#include "lab/forecast/measures.h"

#include <gmock/gmock.h>

#include <cmath>

namespace truce::lab {
namespace {

using testing::DoubleNear;
using testing::IsNan;

TEST(MeasuresTest, NaiveErrorPassesOverGaps) {
  EXPECT_DOUBLE_EQ(NaiveError({1, 4, 2}), 2.5);
  EXPECT_DOUBLE_EQ(NaiveError({1, 4, NAN, 7, 6}), 2);
  EXPECT_EQ(NaiveError({3, 3, 3}), 0);
  EXPECT_THAT(NaiveError({1, NAN, 2}), IsNan());
  EXPECT_THAT(NaiveError({}), IsNan());
}

TEST(MeasuresTest, ShortfallCostsNineteenTimesItsExcess) {
  EXPECT_DOUBLE_EQ(PinballLoss(0.95, 10, 12), 1.9);
  EXPECT_NEAR(PinballLoss(0.95, 12, 10), 0.1, 1e-12);
  EXPECT_EQ(PinballLoss(0.95, 10, 10), 0);
}

TEST(MeasuresTest, MeansMediansAndRatios) {
  EXPECT_DOUBLE_EQ(Median({9, 1, 4, 2}), 3);
  EXPECT_DOUBLE_EQ(GeometricMean({0.5, 2, 8}), 2);
  EXPECT_THAT(GeometricMean({0, 1}), DoubleNear(0.1, 1e-12)) << "no error at all counts as a hundredth";
  EXPECT_THAT(Mean({}), IsNan());
  EXPECT_THAT(GeometricMean({}), IsNan());
}

// A forecast of three steps: medians 10, 11, 12 and 0.95-quantiles 20 above; peaks are those of the last step so far.
Forecast MadeUp() {
  return {3, {0.5, kHighQuantile}, {10, 30, 11, 31, 12, 32}, {10, 30, 11, 31, 12, 32}};
}

TEST(AddErrorsTest, EachHorizonHasItsValue) {
  SeriesSums sums;
  sums.horizons.resize(2);
  const std::vector<size_t> horizons = {1, 3};
  AddErrors(MadeUp(), {7, 5, 40}, horizons, &sums);
  AddErrors(MadeUp(), {30, 5, NAN}, horizons, &sums);
  AddErrors(MadeUp(), {11, 5}, horizons, &sums);
  EXPECT_EQ(sums.horizons[0].absolute_error, 3 + 20 + 1);
  EXPECT_EQ(sums.horizons[0].count, 3u);
  EXPECT_EQ(sums.horizons[0].covered, 3u) << "a value at the quantile is not above it";
  EXPECT_EQ(sums.horizons[1].absolute_error, 28);
  EXPECT_EQ(sums.horizons[1].count, 1u);
  EXPECT_EQ(sums.horizons[1].covered, 0u);
  EXPECT_EQ(sums.horizons[0].below, 2u) << "nor is it below";
}

TEST(AddPeakTest, ThePeakIsOfAllValues) {
  SeriesSums sums;
  AddPeak(MadeUp(), {34, 1, 2}, &sums);
  EXPECT_DOUBLE_EQ(sums.peak_pinball, 0.95 * 2);
  AddPeak(MadeUp(), {11, 12}, &sums);
  EXPECT_DOUBLE_EQ(sums.peak_pinball, 0.95 * 2 + 0.05 * 19);
  AddPeak(MadeUp(), {99, NAN, 1}, &sums);
  EXPECT_EQ(sums.peaks, 2u) << "a missing value may have been the peak";
  EXPECT_EQ(sums.peaks_under, 1u);
}

TEST(HorizonMarksTest, AQuantileThatComesOftenMayCoverMore) {
  EXPECT_EQ((HorizonMarks{.coverage = 1, .below = 0.5}).CoverageOff(), 0);
  EXPECT_NEAR((HorizonMarks{.coverage = 1, .below = 0.98}).CoverageOff(), 0.03, 1e-12);
  EXPECT_NEAR((HorizonMarks{.coverage = 0.92, .below = 0.92}).CoverageOff(), 0.03, 1e-12);
  EXPECT_THAT((HorizonMarks{.coverage = NAN, .below = NAN}).CoverageOff(), IsNan());
}

TEST(MarksOfTest, MeansOverSeriesSharesOverAll) {
  const std::vector<size_t> horizons = {12};
  std::vector<SeriesSums> naive(3), method(3);
  naive[0].horizons = {{8, 4, 4}};      // MAE 2
  method[0].horizons = {{4, 4, 3, 2}};  // MAE 1
  naive[1].horizons = {{10, 10, 10}};   // MAE 1
  method[1].horizons = {{20, 10, 7}};   // MAE 2
  naive[2].horizons = {{0, 5, 5}};      // never erred, never changed in training
  method[2].horizons = {{15, 5, 5}};    // MAE 3
  for (size_t i = 0; i < 3; ++i) {
    method[i].peaks = 10;
    method[i].peaks_under = i;
    method[i].peak_pinball = 10;
    method[i].fit_seconds = 2;
    method[i].forecast_seconds = 1;
    method[i].forecasts = 5;
  }
  const MethodMarks marks = MarksOf(method, naive, {0.5, 4, 0}, horizons);
  const HorizonMarks& at = marks.horizons[0];
  EXPECT_EQ(at.steps, 12u);
  EXPECT_DOUBLE_EQ(at.mean_mase, (1 / 0.5 + 2.0 / 4) / 2);
  EXPECT_DOUBLE_EQ(at.median_mase, 1.25);
  EXPECT_DOUBLE_EQ(at.mae, 2);
  EXPECT_DOUBLE_EQ(at.relative_mae, 1) << "half and twice cancel; where naive never errs there is no ratio";
  EXPECT_DOUBLE_EQ(at.coverage, 15.0 / 19);
  EXPECT_DOUBLE_EQ(at.below, 2.0 / 19);
  EXPECT_DOUBLE_EQ(marks.peak_pinball, (1 / 0.5 + 1.0 / 4) / 2);
  EXPECT_DOUBLE_EQ(marks.peaks_under, 0.1);
  EXPECT_DOUBLE_EQ(marks.fit_seconds, 2);
  EXPECT_DOUBLE_EQ(marks.forecast_seconds, 0.2);
}

}  // namespace
}  // namespace truce::lab
