// What the demand LSTM is told of a series.
#include "models/forecast/demand_features.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace truce {
namespace {

using testing::Each;
using testing::FloatNear;
using testing::Pointwise;

std::vector<double> Wave(size_t count, double scale) {
  std::vector<double> values;
  for (size_t i = 0; i < count; ++i) {
    values.push_back(scale * (3 + std::sin(2 * M_PI * static_cast<double>(i) / 24) + 0.1 * static_cast<double>(i % 7)));
  }
  return values;
}

DemandFeatures After(const std::vector<double>& values, size_t season) {
  DemandFeatures features(season);
  for (const double value : values) features.Observe(value);
  return features;
}

TEST(DemandFeaturesTest, AreTheSameInAnyUnit) {
  for (const size_t count : {1, 2, 30, 400}) {
    const auto small = After(Wave(count, 1e-3), 24);
    const auto large = After(Wave(count, 1e6), 24);
    EXPECT_THAT(small.Current(), Pointwise(FloatNear(1e-3F), large.Current())) << count << " values";
    EXPECT_NEAR(large.unit() / small.unit(), 1e9, 1e5);
  }
}

TEST(DemandFeaturesTest, TellWhatCameASeasonAgoAtTheStepsThatLieAhead) {
  const std::vector<double> values = Wave(60, 10);
  const auto features = After(values, 24);
  const auto scaled = [&](double value) {
    return static_cast<float>(std::asinh((value - values.back()) / features.unit()));
  };
  EXPECT_EQ(features.Current()[16], 1) << "there is a season";
  double highest = -INFINITY;
  for (size_t step = 1; step <= 12; ++step) highest = std::max(highest, values[59 + step - 24]);
  for (size_t i = 0; i < kDemandHorizons.size(); ++i) {
    EXPECT_NEAR(features.Current()[17 + i], scaled(values[59 + kDemandHorizons[i] - 24]), 1e-4);
  }
  EXPECT_NEAR(features.Current()[22], scaled(highest), 1e-4);
  EXPECT_NEAR(features.Current()[23], scaled(values[59 - 24]), 1e-4);
}

TEST(DemandFeaturesTest, BeforeASeasonHasPassedThereIsNone) {
  EXPECT_EQ(After(Wave(24, 1), 24).Current()[16], 0);
  EXPECT_EQ(After(Wave(25, 1), 24).Current()[16], 1);
  EXPECT_EQ(After(Wave(400, 1), 0).Current()[16], 0);
}

TEST(DemandFeaturesTest, AMissingValueIsToldAndChangesNoLevel) {
  auto features = After({5, 5, 5, 5}, 0);
  features.Observe(NAN);
  EXPECT_EQ(features.Current()[14], 1);
  EXPECT_EQ(features.newest(), 5);
  features.Observe(5);
  EXPECT_EQ(features.Current()[14], 0);
}

TEST(DemandFeaturesTest, ALeadersPushIsToldInTheSeriesOwnUnit) {
  auto features = After({5, 6, 5, 6}, 0);
  for (size_t i = 25; i < kDemandInputs; ++i) EXPECT_EQ(features.Current()[i], 0) << "there is no leader";
  features.Observe(5, {.change = {0, 1, 2, 4, -8}, .share = 0.6});
  for (size_t i = 0; i < kDemandHorizons.size(); ++i) {
    const double change[] = {0, 1, 2, 4, -8};
    EXPECT_NEAR(features.Current()[25 + i], std::asinh(change[i] / features.unit()), 1e-5);
  }
  EXPECT_FLOAT_EQ(features.Current()[30], 0.6F);
  auto alone = After({5, 6, 5, 6, 5}, 0);
  for (size_t i = 0; i < 25; ++i) EXPECT_EQ(features.Current()[i], alone.Current()[i]) << "all else stays";
  features.Observe(6);
  EXPECT_EQ(features.Current()[30], 0);
}

TEST(DemandFeaturesTest, AreFiniteWhateverComes) {
  for (const double value : {0.0, -3.0, 1e300, -1e-300}) {
    const auto features = After({value, value, 2 * value, 0, value}, 0);
    for (const float input : features.Current()) EXPECT_TRUE(std::isfinite(input)) << value;
  }
}

}  // namespace
}  // namespace truce
