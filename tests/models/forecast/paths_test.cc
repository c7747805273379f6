// Paths tell what very many random ones would, whether they are weighted sums or run step by step.
#include "models/forecast/paths.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "models/forecast/arima_model.h"
#include "models/forecast/ets.h"
#include "models/forecast/recent_innovations.h"
#include "tests/models/forecast/processes.h"

namespace truce {
namespace {

constexpr size_t kSteps = 12;
constexpr double kQuantiles[] = {0.1, 0.5, 0.9, 0.95};

// Its period is 4.
EtsModel Ets(EtsPart error, EtsPart trend, bool damped, EtsPart season) {
  const bool none = trend == EtsPart::kNone;
  const EtsParameters parameters{0.4, none ? 0 : 0.1, season == EtsPart::kNone ? 0 : 0.3, damped ? 0.9 : 1};
  return EtsModel({error, trend, damped, season}, parameters, 4, {{10, none ? 0.0 : 1.0, 1, 2, -2, -1}, 1});
}

std::vector<std::unique_ptr<InnovationModel>> WeightedModels() {
  constexpr EtsPart kA = EtsPart::kAdditive, kN = EtsPart::kNone;
  std::vector<std::unique_ptr<InnovationModel>> models;
  models.push_back(std::make_unique<EtsModel>(Ets(kA, kN, false, kN)));
  models.push_back(std::make_unique<EtsModel>(Ets(kA, kA, false, kN)));
  models.push_back(std::make_unique<EtsModel>(Ets(kA, kA, true, kN)));
  models.push_back(std::make_unique<EtsModel>(Ets(kA, kA, true, kA)));
  models.push_back(std::make_unique<ArimaModel>(ArimaOrder{.p = 1, .constant = true},
                                                ArimaParameters{{0.8}, {}, {}, {}, 10}, std::vector<double>{1.5},
                                                std::vector<double>{}, 100));
  // Two values are held by differencing once, and five by a season as well.
  models.push_back(std::make_unique<ArimaModel>(ArimaOrder{.p = 1, .d = 1, .q = 1},
                                                ArimaParameters{{0.5}, {0.3}, {}, {}, 0}, std::vector<double>{0.5, 0.1},
                                                std::vector<double>{10}, 100));
  models.push_back(
      std::make_unique<ArimaModel>(ArimaOrder{.d = 1, .q = 1, .seasonal_d = 1, .seasonal_q = 1, .period = 4},
                                   ArimaParameters{{}, {-0.4}, {}, {-0.6}, 0}, std::vector<double>(6, 0.2),
                                   std::vector<double>{10, 9, 8, 11, 10}, 100));
  return models;
}

std::vector<float> Skewed(size_t count) {
  std::vector<float> innovations;
  for (size_t i = 0; i < count; ++i) {
    innovations.push_back(
        static_cast<float>(-std::log(1 - (static_cast<double>(i) + 0.5) / static_cast<double>(count)) - 1));
  }
  return innovations;
}

Forecast Drawn(const InnovationModel& model, absl::Span<const float> innovations, const PathOptions& options = {}) {
  PathValues paths(kSteps * kPaths);
  AddPaths(model, innovations, options, kSteps, 1, &paths);
  return QuantilesOfPaths(EveryStep(kSteps), kQuantiles, &paths);
}

// A model whose weights nobody is told.
class Opaque final : public InnovationModel {
 public:
  explicit Opaque(const InnovationModel* model) : model_(model) { state_ = model->state(); }
  double Mean(const ModelState& state) const override { return model_->Mean(state); }
  double Unit(const ModelState& state) const override { return model_->Unit(state); }
  std::vector<double> Weights(size_t) const override { return {}; }
  void Advance(ModelState& state, double innovation) const override { model_->Advance(state, innovation); }

 private:
  const InnovationModel* model_;
};

TEST(WeightsTest, AreWhatAnInnovationAddsLater) {
  int which = 0;
  for (const auto& model : WeightedModels()) {
    ModelState expected = model->state(), moved = model->state();
    const std::vector<double> weights = model->Weights(kSteps);
    ASSERT_EQ(weights.size(), kSteps);
    for (size_t step = 0; step < kSteps; ++step) {
      const double added = step == 0 ? 1 : model->Mean(moved) - model->Mean(expected);
      EXPECT_NEAR(weights[step], added, 1e-9) << which << ", " << step;
      model->Advance(expected, 0);
      model->Advance(moved, step == 0 ? 1 : 0);
    }
    ++which;
  }
  EXPECT_THAT(Ets(EtsPart::kMultiplicative, EtsPart::kNone, false, EtsPart::kNone).Weights(3), testing::IsEmpty());
}

TEST(PathsTest, WeightedOrRunStepByStepTheyAreTheSameAlsoWhereTheyAreCut) {
  const std::vector<double> season = {3, -1, 0, 2, 3, -1, 0, 2, 3, -1, 0, 2};
  for (const PathOptions& options : {PathOptions(), PathOptions{season, 9, 14}}) {
    for (const auto& model : WeightedModels()) {
      const Forecast weighted = Drawn(*model, Skewed(50), options),
                     run = Drawn(Opaque(model.get()), Skewed(50), options);
      EXPECT_THAT(weighted.values, testing::Pointwise(testing::DoubleNear(1e-9), run.values));
      EXPECT_THAT(weighted.peaks, testing::Pointwise(testing::DoubleNear(1e-9), run.peaks));
    }
  }
}

// Quantiles and spreads of very many paths whose innovations are drawn at random.
struct Many {
  std::vector<double> values, peaks;  // [kSteps x kQuantiles]
  std::vector<double> value_spread, peak_spread;
};

void Append(std::vector<double> sample, std::vector<double>* quantiles, std::vector<double>* spread) {
  std::sort(sample.begin(), sample.end());
  for (const double quantile : kQuantiles) {
    quantiles->push_back(sample[static_cast<size_t>(quantile * static_cast<double>(sample.size()))]);
  }
  spread->push_back(sample[sample.size() * 95 / 100] - sample[sample.size() * 5 / 100]);
}

Many DrawMany(const InnovationModel& model, absl::Span<const float> innovations) {
  constexpr size_t kMany = 20'000;
  std::mt19937 random(3);
  std::vector<std::vector<double>> values(kSteps), peaks(kSteps);
  for (size_t path = 0; path < kMany; ++path) {
    ModelState state = model.state();
    double peak = -std::numeric_limits<double>::infinity();
    for (size_t step = 0; step < kSteps; ++step) {
      const double innovation = innovations[random() % innovations.size()];
      values[step].push_back(model.Mean(state) + model.Unit(state) * innovation);
      model.Advance(state, innovation);
      peak = std::max(peak, values[step].back());
      peaks[step].push_back(peak);
    }
  }
  Many many;
  for (size_t step = 0; step < kSteps; ++step) {
    Append(values[step], &many.values, &many.value_spread);
    Append(peaks[step], &many.peaks, &many.peak_spread);
  }
  return many;
}

TEST(PathsTest, QuantilesOfValuesAndPeaksAreThoseOfVeryManyRandomPaths) {
  std::vector<std::unique_ptr<InnovationModel>> models = WeightedModels();
  models.push_back(std::make_unique<EtsModel>(EtsForm{EtsPart::kMultiplicative, EtsPart::kNone, false, EtsPart::kNone},
                                              EtsParameters{0.3, 0, 0, 1}, 1, ModelState{{10, 0}, 0}));
  std::vector<float> normal;
  for (const double one : Noise(400, 4)) normal.push_back(static_cast<float>(0.1 * one));
  std::sort(normal.begin(), normal.end());
  std::vector<float> skewed = Skewed(400);
  for (float& one : skewed) one *= 0.1F;
  for (const std::vector<float>& innovations : {normal, skewed}) {
    double sum = 0, count = 0;
    for (size_t which = 0; which < models.size(); ++which) {
      const Many many = DrawMany(*models[which], innovations);
      const Forecast drawn = Drawn(*models[which], innovations);
      for (size_t at = 0; at < drawn.values.size(); ++at) {
        const size_t step = at / std::size(kQuantiles);
        const double off = std::abs(drawn.values[at] - many.values[at]) / many.value_spread[step];
        const double peak_off = std::abs(drawn.peaks[at] - many.peaks[at]) / many.peak_spread[step];
        EXPECT_LT(off, 0.15) << which << ", step " << step;
        EXPECT_LT(peak_off, 0.15) << which << ", step " << step;
        sum += off + peak_off;
        count += 2;
      }
    }
    EXPECT_LT(sum / count, 0.025) << "in units of the distance between the 0.05 and the 0.95";
  }
}

TEST(PathsTest, AMeanOfPathsHasTheMeanOfTheQuantiles) {
  const auto models = WeightedModels();
  const std::vector<float> innovations = Skewed(100);
  for (const size_t other : {1UL, 4UL, 5UL}) {
    PathValues paths(kSteps * kPaths);
    AddPaths(*models[0], innovations, {}, kSteps, 0.25, &paths);
    AddPaths(*models[other], innovations, {}, kSteps, 0.75, &paths);
    const Forecast mixed = QuantilesOfPaths(EveryStep(kSteps), kQuantiles, &paths);
    const Forecast one = Drawn(*models[0], innovations), two = Drawn(*models[other], innovations);
    for (size_t at = 0; at < mixed.values.size(); ++at) {
      const double mean = 0.25 * one.values[at] + 0.75 * two.values[at];
      const size_t row = at - at % std::size(kQuantiles);
      const double apart = mixed.values[row + std::size(kQuantiles) - 1] - mixed.values[row];
      EXPECT_NEAR(mixed.values[at], mean, row == 0 ? 1e-9 : 0.1 * apart) << other << ", " << at;
    }
  }
}

TEST(PathsTest, AtSomeStepsTheySayWhatTheySayAtAll) {
  const std::vector<size_t> some = {2, 3, 7, 12};
  for (const auto& model : WeightedModels()) {
    PathValues paths(kSteps * kPaths);
    AddPaths(*model, Skewed(50), {}, kSteps, 1, &paths);
    const Forecast at = QuantilesOfPaths(some, kQuantiles, &paths), all = Drawn(*model, Skewed(50));
    for (size_t i = 0; i < some.size(); ++i) {
      for (size_t q = 0; q < std::size(kQuantiles); ++q) {
        EXPECT_EQ(at.Value(i, q), all.Value(some[i] - 1, q));
        EXPECT_EQ(at.Peak(i, q), all.Peak(some[i] - 1, q));
      }
    }
  }
}

TEST(RecentInnovationsTest, AreTheNewestInOrderOfSize) {
  RecentInnovations recent;
  std::deque<float> all;
  std::mt19937 random(1);
  for (size_t i = 0; i < 5 * RecentInnovations::kMost; ++i) {
    // Some come again and again.
    const auto value = static_cast<float>(random() % 50) - 25;
    recent.Add(value);
    if (i % 7 == 0) recent.Add(kMissing);
    all.push_back(value);
    if (all.size() > RecentInnovations::kMost) all.pop_front();
    std::vector<float> sorted(all.begin(), all.end());
    std::sort(sorted.begin(), sorted.end());
    ASSERT_EQ(std::vector<float>(recent.Ascending().begin(), recent.Ascending().end()), sorted) << i;
  }
}

}  // namespace
}  // namespace truce
