// Losses of two forecasters, over those of saying that nothing changes.
#include "lab/retrain/losses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace truce::lab {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::SizeIs;

// Says the newest value for ever, times a factor.
class Factor final : public Forecaster {
 public:
  explicit Factor(double factor) : factor_(factor) {}
  absl::Status Fit(absl::Span<const double> history) override {
    for (const double value : history) Observe(value);
    return absl::OkStatus();
  }
  void Observe(double value) override {
    if (!std::isnan(value)) newest_ = value;
  }
  absl::StatusOr<Forecast> Predict(size_t steps, absl::Span<const double> quantiles) const override {
    Forecast forecast;
    forecast.steps = steps;
    forecast.quantiles.assign(quantiles.begin(), quantiles.end());
    forecast.values.assign(steps * quantiles.size(), factor_ * newest_);
    return forecast;
  }

 private:
  const double factor_;
  double newest_ = 0;
};

MakeForecaster Times(double factor) {
  return [factor] { return std::make_unique<Factor>(factor); };
}

double Total(const std::vector<double>& losses) {
  return std::accumulate(losses.begin(), losses.end(), 0.0);
}

// One value up, one down.
HistorySeries Zigzag(size_t begin, size_t count, double height = 1, double level = 10) {
  HistorySeries series{"zigzag", 0, begin, {}};
  for (size_t i = 0; i < count; ++i) series.values.push_back(level + (i % 2 == 0 ? 0 : height));
  return series;
}

TEST(LossesTest, NaivesOwnLossIsOneInAnyUnitAndSpreadOverTheBlocks) {
  const History history{30, 200, 2, {Zigzag(0, 200), Zigzag(0, 200, 1e9, 1e12)}};
  const auto losses = CompareLosses(history, {100, 100, 4}, Times(1), Times(1.1), 2);
  ASSERT_TRUE(losses.ok()) << losses.status();
  ASSERT_THAT(*losses, SizeIs(2));
  for (const SeriesLosses& one : *losses) {
    EXPECT_NEAR(Total(one.champion), 1, 1e-9);
    EXPECT_GT(Total(one.challenger), 1);
    for (const double block : one.champion) EXPECT_NEAR(block, 0.25, 0.03);
  }
}

TEST(LossesTest, WhatComesBeforeTheSpanIsKnownAndOnlyTheSpanCounts) {
  History history{30, 200, 1, {Zigzag(0, 200)}};
  for (size_t i = 0; i < 100; ++i) history.series[0].values[i] = 10;  // nothing happens before the span
  const auto losses = CompareLosses(history, {100, 100, 4}, Times(1), Times(2), 1);
  ASSERT_TRUE(losses.ok());
  ASSERT_THAT(*losses, SizeIs(1));
  EXPECT_NEAR(Total(losses->front().champion), 1, 1e-9);
}

TEST(LossesTest, SeriesThatCannotBeJudgedAreLeftOut) {
  HistorySeries still{"still", 0, 0, std::vector<double>(200, 3.0)};
  HistorySeries gone = Zigzag(0, 80);
  HistorySeries fresh = Zigzag(120, 80);
  HistorySeries gaps = Zigzag(0, 200);
  std::fill(gaps.values.begin() + 100, gaps.values.end(), NAN);
  HistorySeries unknown = Zigzag(0, 200);
  std::fill(unknown.values.begin(), unknown.values.begin() + 100, NAN);
  const auto losses =
      CompareLosses({30, 200, 1, {still, gone, fresh, gaps, unknown}}, {100, 100, 4}, Times(1), Times(1), 1);
  ASSERT_TRUE(losses.ok());
  EXPECT_THAT(*losses, SizeIs(0));
}

TEST(LossesTest, ASeriesThatStandsStillLatelyIsJudgedByHowItMovedBefore) {
  History history{30, 200, 1, {Zigzag(0, 200)}};
  std::fill(history.series[0].values.begin() + 100, history.series[0].values.end(), 10.0);
  const auto losses = CompareLosses(history, {100, 100, 4}, Times(1), Times(1.001), 1);
  ASSERT_TRUE(losses.ok());
  ASSERT_THAT(*losses, SizeIs(1));
  EXPECT_LT(Total(losses->front().champion), 0.5);
  EXPECT_GT(Total(losses->front().challenger), Total(losses->front().champion));
  EXPECT_LT(Total(losses->front().challenger), 1) << "an error of a hundredth of its usual moves is none to speak of";
}

TEST(LossesTest, NoSingleSpikeDecides) {
  const auto losses = CompareLosses({30, 200, 1, {Zigzag(0, 200)}}, {100, 100, 1}, Times(1), Times(1e9), 1);
  ASSERT_TRUE(losses.ok());
  EXPECT_THAT(losses->front().challenger, ElementsAre(DoubleNear(kMostLoss, 1e-6)));
}

}  // namespace
}  // namespace truce::lab
