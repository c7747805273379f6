// The demand LSTM learns what can be learned, and what was learned runs without libtorch.
#include "models/training/demand_trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "models/forecast/demand_forecaster.h"

namespace truce {
namespace {

// A burst of 4 every 12 values above a level with noise, of any size and phase.
std::vector<double> Bursts(size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> noise(0, 0.05);
  const double scale = std::exp(std::normal_distribution<double>(0, 2)(random));
  const size_t phase = random() % 12;
  std::vector<double> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = scale * (1 + ((i + phase) % 12 < 4 ? 3 : 0) + noise(random));
  return values;
}

DemandTrainingOptions Small() {
  DemandTrainingOptions options;
  options.epochs = 40;
  options.batch = 8;
  options.learning_rate = 1e-2;
  options.projected = 12;
  options.hidden = 16;
  options.width = 24;
  options.piece = 96;
  options.spike_weight = 0.3;
  return options;
}

TEST(DemandTrainerTest, ForeseesBurstsOfASeriesThatItNeverSaw) {
  std::vector<std::vector<double>> values;
  std::vector<DemandSeries> series;
  for (uint64_t seed = 1; seed <= 40; ++seed) values.push_back(Bursts(300, seed));
  for (const auto& one : values) series.push_back({one, 0});
  double first = 0, last = 0;
  const auto model = TrainDemand(series, Small(), [&](const DemandEpoch& epoch) {
    (epoch.epoch == 1 ? first : last) = epoch.loss;
    return true;
  });
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_LT(last, first / 2);
  const auto forecaster = NewDemandForecaster(std::make_shared<const DemandModel>(*model), 0);
  const std::vector<double> fresh = Bursts(400, 99);
  ASSERT_TRUE(forecaster->Fit(absl::MakeConstSpan(fresh).first(100)).ok());
  double error = 0, naive = 0;
  int below = 0;
  for (size_t i = 100; i < 400; ++i) {
    const auto forecast = forecaster->Predict(1, {0.5, 0.95});
    ASSERT_TRUE(forecast.ok());
    error += std::abs(forecast->Value(0, 0) - fresh[i]);
    naive += std::abs(fresh[i - 1] - fresh[i]);
    below += fresh[i] <= forecast->Value(0, 1) ? 1 : 0;
    forecaster->Observe(fresh[i]);
  }
  EXPECT_LT(error, 0.6 * naive) << "when a burst begins and ends is known a step ahead";
  EXPECT_NEAR(below / 300.0, 0.95, 0.04);
}

TEST(DemandTrainerTest, IsTheSameForASeedAndSaysWhenThereIsTooLittle) {
  const std::vector<double> values = Bursts(2400, 1);
  const std::vector<DemandSeries> series = {{values, 12}};
  DemandTrainingOptions options = Small();
  options.epochs = 1;
  const auto report = [](const DemandEpoch&) { return true; };
  const auto one = TrainDemand(series, options, report);
  const auto other = TrainDemand(series, options, report);
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one->weights().out, other->weights().out);
  const std::vector<DemandSeries> little = {{absl::MakeConstSpan(values).first(1999), 12}};
  EXPECT_TRUE(absl::IsInvalidArgument(TrainDemand(little, options, report).status()));
}

TEST(DemandTrainerTest, WhatIsToBeHeldOutIsNeverNothing) {
  const std::vector<double> values = Bursts(2400, 1);
  const std::vector<DemandSeries> series = {{values, 12}};
  DemandTrainingOptions options = Small();
  options.held_out_ratio = 1e-9;
  const absl::Status status = TrainDemand(series, options, [](const DemandEpoch&) { return true; }).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_NE(status.message().find("of 1 series none is held out"), absl::string_view::npos) << status;
}

}  // namespace
}  // namespace truce
