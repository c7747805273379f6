// What is said of losses: forgets, survives the wire, and is wrong as seldom as it promises.
#include "controller/learn/loss_series.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace truce::controller {
namespace {

constexpr absl::Duration kMinute = absl::Minutes(1);

absl::Time At(int minute) {
  return absl::FromUnixSeconds(1'700'000'040) + minute * kMinute;
}

// `minutes` of losses about `ratio`; errors of minutes next to each other are alike as much as `memory` says.
LossSeries Make(std::mt19937_64* random, int minutes, double ratio, double noise = 0.1, double memory = 0) {
  LossSeries series(kMinute, 240);
  std::normal_distribution<double> normal(0, 1);
  double state = normal(*random);
  for (int i = 0; i < minutes; ++i) {
    state = memory * state + std::sqrt(1 - memory * memory) * normal(*random);
    series.Add(At(i), {100, 100 * (ratio + noise * state), 100, 100});
  }
  return series;
}

TEST(LossSeriesTest, ForgetsWhatIsLongAgoAndTakesWhatComesLate) {
  LossSeries series(kMinute, 10);
  series.Add(At(5), {1, 5, 1, 1});
  series.Add(At(3), {1, 3, 1, 1});
  series.Add(At(5), {1, 1, 1, 1});
  EXPECT_EQ(series.size(), 2u);
  EXPECT_EQ(series.Total().loss, 9);
  series.Add(At(14), {1, 2, 1, 1});
  EXPECT_EQ(series.Total().loss, 8) << "minute 3 is forgotten";
  series.Add(At(4), {1, 100, 1, 1});
  EXPECT_EQ(series.Total().loss, 8) << "too late";
}

TEST(LossSeriesTest, WhatAClockNotedThatWasAheadComesBeforeWhatIsNotedNow) {
  LossSeries series(kMinute, 10);
  series.Add(At(500), {1, 5, 1, 1});
  series.Add(At(503), {1, 3, 1, 1});
  series.EndBy(At(7));
  series.Add(At(8), {1, 1, 1, 1});
  EXPECT_EQ(series.Total().loss, 9);
  series.EndBy(At(9));
  series.Add(At(14), {1, 1, 1, 1});
  EXPECT_EQ(series.Total().loss, 5) << "500 is 4 now, and forgotten";
}

TEST(LossSeriesTest, BatchesHaveEverything) {
  std::mt19937_64 random(1);
  for (const int minutes : {1, 6, 16, 17, 31, 100, 240}) {
    const LossSeries series = Make(&random, minutes, 0.9);
    const auto batches = series.Batches(16);
    EXPECT_LE(batches.size(), 16u);
    double count = 0;
    for (const LossSum& batch : batches) count += batch.count;
    EXPECT_EQ(count, 100.0 * minutes);
  }
}

TEST(LossSeriesTest, SurvivesTheWireAndDropsWhatMakesNoSense) {
  std::mt19937_64 random(2);
  const LossSeries series = Make(&random, 30, 0.9);
  v1::LossSeries wire = series.ToWire();
  const LossSeries back = LossSeries::FromWire(wire, kMinute, 240);
  EXPECT_EQ(back.ToWire().SerializeAsString(), wire.SerializeAsString());
  wire.mutable_buckets(3)->set_loss_sum(std::numeric_limits<double>::quiet_NaN());
  wire.mutable_buckets(4)->set_count(-1);
  EXPECT_EQ(LossSeries::FromWire(wire, kMinute, 240).size(), 28u);
  EXPECT_TRUE(LossSeries::FromWire(wire, absl::Minutes(5), 240).empty()) << "spans of another length";
}

TEST(LossSeriesTest, FewSpansOrNoLossSayNothing) {
  std::mt19937_64 random(3);
  EXPECT_FALSE(EstimateLoss(Make(&random, 9, 0.9)).has_value());
  EXPECT_TRUE(EstimateLoss(Make(&random, 10, 0.9)).has_value());
  LossSeries nothing(kMinute, 240);
  for (int i = 0; i < 20; ++i) nothing.Add(At(i), {100, 0, 0, 0});
  EXPECT_FALSE(EstimateLoss(nothing).has_value());
}

// Spans that hardly differ by chance must not make a handful of forecasts sure.
TEST(LossSeriesTest, IsNeverSurerThanItsForecastsAlone) {
  LossSeries series(kMinute, 240);
  for (int i = 0; i < 20; ++i) series.Add(At(i), {4, 3.6, 4, 4});
  const auto estimate = EstimateLoss(series);
  ASSERT_TRUE(estimate.has_value());
  EXPECT_NEAR(estimate->ratio, 0.9, 1e-12);
  EXPECT_NEAR(estimate->standard_error, std::sqrt((1 - 0.01) / 80), 1e-9);
}

// The promise holds at every look at once, and for errors that come in runs.
TEST(LossSeriesTest, EqualModelsAreSeldomCalledWorseHoweverOftenOneLooks) {
  for (const double memory : {0.0, 0.8}) {
    int wrong = 0;
    for (uint64_t seed = 0; seed < 300; ++seed) {
      std::mt19937_64 random(seed);
      const LossSeries trial = Make(&random, 120, 0.9, 0.1, memory);
      const LossSeries others = Make(&random, 120, 0.9, 0.1, memory);
      const LossSeries none(kMinute, 240);
      LossSeries now(kMinute, 240);
      LossSeries control(kMinute, 240);
      bool called_worse = false;
      for (int i = 0; i < 120; ++i) {
        const auto add = [i](const LossSeries& from, LossSeries* to) {
          const v1::LossBucket& bucket = from.ToWire().buckets(i);
          to->Add(At(i), {bucket.count(), bucket.loss_sum(), bucket.naive_loss_sum(), bucket.squared_gain_sum()});
        };
        add(trial, &now);
        add(others, &control);
        const auto found = Compare({&now, &none, &control, &none}, 0.01);
        called_worse = called_worse || (found && found->low() > 0);
      }
      wrong += called_worse ? 1 : 0;
    }
    EXPECT_LE(wrong, 9) << "of 300, memory " << memory;
  }
}

// What befalls everybody at once is no fault of the model.
TEST(LossSeriesTest, ADayThatIsHardForAllIsNotTheModels) {
  std::mt19937_64 random(4);
  const LossSeries before = Make(&random, 60, 0.8, 0.02);
  const LossSeries others_before = Make(&random, 60, 0.7, 0.02);
  const LossSeries now = Make(&random, 60, 1.0, 0.02);
  const LossSeries others_now = Make(&random, 60, 0.9, 0.02);
  const LossSeries none(kMinute, 240);
  const auto both = Compare({&now, &before, &others_now, &others_before}, 0.01);
  ASSERT_TRUE(both.has_value());
  EXPECT_NEAR(both->difference, 0, 0.02);
  EXPECT_LT(both->low(), 0);
  EXPECT_NEAR(Compare({&now, &before, &none, &none}, 0.01)->difference, 0.2, 0.02) << "against its own past alone";
  EXPECT_NEAR(Compare({&now, &none, &others_now, &none}, 0.01)->difference, 0.1, 0.02) << "against the others alone";
  EXPECT_FALSE(Compare({&now, &none, &none, &others_before}, 0.01).has_value()) << "against nothing";
  EXPECT_FALSE(Compare({&none, &before, &others_now, &others_before}, 0.01).has_value()) << "nothing came due";
}

}  // namespace
}  // namespace truce::controller
