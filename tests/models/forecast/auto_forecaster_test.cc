// Many series as an agent has them: steps of the network made together, refits within a budget.
#include "models/forecast/auto_forecaster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <random>
#include <vector>

#include "models/forecast/demand_batch.h"
#include "models/forecast/refits.h"
#include "tests/models/forecast/any_demand_model.h"
#include "tests/models/forecast/processes.h"

namespace truce {
namespace {

using testing::DoubleNear;
using testing::Pointwise;

constexpr double kQuantiles[] = {0.5, 0.95};
const SeasonRule kNoSeason{SeasonRule::Kind::kNone, {}};

TEST(DemandBatchTest, StepsMadeTogetherAreThoseMadeAlone) {
  const DemandModel model = AnyDemandModel(1), other = AnyDemandModel(2);
  // More than are made at once, and of two models.
  constexpr size_t kSeries = 200;
  std::mt19937_64 random(4);
  std::normal_distribution<float> draw;
  std::vector<DemandInput> inputs(kSeries);
  std::vector<DemandState> alone(kSeries, model.NewState()), together(kSeries, model.NewState());
  DemandBatch batch;
  for (int step = 0; step < 3; ++step) {
    std::array<bool, kSeries> due;
    due.fill(true);
    for (size_t i = 0; i < kSeries; ++i) {
      for (float& one : inputs[i]) one = draw(random);
      const DemandModel& its = i < 150 ? model : other;
      its.Step(inputs[i], &alone[i]);
      batch.Add({&its, &inputs[i], &together[i], &due[i]});
    }
    batch.Run();
    EXPECT_THAT(due, testing::Each(false));
    for (size_t i = 0; i < kSeries; ++i) {
      ASSERT_TRUE(together[i].hidden.isApprox(alone[i].hidden, 1e-4F)) << i;
      ASSERT_TRUE(together[i].cell.isApprox(alone[i].cell, 1e-4F)) << i;
      ASSERT_THAT(together[i].outputs, Pointwise(testing::FloatNear(1e-4F), alone[i].outputs)) << i;
    }
  }
}

TEST(AutoForecasterTest, WithABatchItSaysWhatItSaysAlone) {
  const auto model = std::make_shared<const DemandModel>(AnyDemandModel());
  std::vector<std::unique_ptr<LedForecaster>> alone, together;
  std::vector<std::vector<double>> series;
  for (unsigned i = 0; i < 5; ++i) {
    series.push_back(Arma(300, 0.8, 0, 0, 20, i + 1));
    series.back()[220] = kMissing;
    for (auto* all : {&alone, &together}) {
      all->push_back(NewAutoForecaster(model, 24, kNoSeason));
      ASSERT_TRUE(all->back()->Fit(absl::MakeConstSpan(series[i]).first(200)).ok());
    }
  }
  DemandBatch batch;
  for (size_t at = 200; at < 300; ++at) {
    for (size_t i = 0; i < series.size(); ++i) {
      alone[i]->Observe(series[i][at]);
      together[i]->Observe(series[i][at]);
      together[i]->AddDueStep(&batch);
    }
    batch.Run();
    for (size_t i = 0; i < series.size(); ++i) {
      const auto one = alone[i]->Predict(12, kQuantiles), other = together[i]->Predict(12, kQuantiles);
      ASSERT_TRUE(one.ok() && other.ok());
      ASSERT_THAT(other->values, Pointwise(DoubleNear(1e-3), one->values)) << at;
      ASSERT_THAT(other->peaks, Pointwise(DoubleNear(1e-3), one->peaks)) << at;
    }
  }
}

TEST(AutoForecasterTest, OfANewSeriesTheBaseLearnsByARefit) {
  // An untrained network is no rival on a season of 12; naive is bad at it.
  const auto model = std::make_shared<const DemandModel>(AnyDemandModel());
  const auto refitted = NewAutoForecaster(model, 0, {SeasonRule::Kind::kGiven, {12}});
  const auto never = NewAutoForecaster(model, 0, {SeasonRule::Kind::kGiven, {12}});
  const std::vector<double> values = Wave(600, 12, 30, 100, 3);
  double error = 0, error_never = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 400) {
      error += std::abs(refitted->Predict(1, {0.5})->Value(0, 0) - values[i]);
      error_never += std::abs(never->Predict(1, {0.5})->Value(0, 0) - values[i]);
    }
    for (LedForecaster* const one : {refitted.get(), never.get()}) {
      if (i == 0) {
        ASSERT_TRUE(one->Fit({values[0]}).ok());
      } else {
        one->Observe(values[i]);
      }
    }
    if (refitted->WantsRefit()) refitted->Refit();
  }
  EXPECT_LT(error, 0.3 * error_never);
}

// Wants a refit until it has one, which takes a while.
class Slow final : public Forecaster {
 public:
  Slow(FakeClock* clock, absl::Duration takes) : clock_(clock), takes_(takes) {}
  absl::Status Fit(absl::Span<const double>) override { return absl::OkStatus(); }
  void Observe(double) override { wants_ = true; }
  absl::StatusOr<Forecast> Predict(size_t, absl::Span<const double>) const override { return Forecast(); }
  bool WantsRefit() const override { return wants_; }
  void Refit() override {
    wants_ = false;
    ++refits;
    clock_->Advance(takes_);
  }
  int refits = 0;

 private:
  FakeClock* clock_;
  absl::Duration takes_;
  bool wants_ = true;
};

TEST(RefitsTest, GoInTurnAndKeepToTheBudgetOverManyCalls) {
  FakeClock clock;
  std::vector<std::unique_ptr<Slow>> all;
  std::vector<Forecaster*> forecasters;
  for (int i = 0; i < 10; ++i) {
    all.push_back(std::make_unique<Slow>(&clock, absl::Milliseconds(25)));
    forecasters.push_back(all.back().get());
  }
  Refits refits(&clock, absl::Milliseconds(10));
  const absl::Duration begin = clock.Monotonic();
  size_t done = 0;
  constexpr int kCalls = 200;
  for (int call = 0; call < kCalls; ++call) {
    for (const auto& one : all) one->Observe(1);
    done += refits.Run(forecasters);
  }
  EXPECT_NEAR(static_cast<double>(done), kCalls * 10 / 25.0, 2);
  EXPECT_LE(clock.Monotonic() - begin, kCalls * absl::Milliseconds(10) + absl::Milliseconds(25));
  for (const auto& one : all) EXPECT_NEAR(one->refits, static_cast<double>(done) / 10, 1);
}

TEST(RefitsTest, NobodyIsRefittedWhoDoesNotWantItAndUnspentBudgetIsKeptForAWhile) {
  FakeClock clock;
  std::vector<Forecaster*> forecasters(50, nullptr);
  std::vector<std::unique_ptr<Slow>> more;
  for (auto*& forecaster : forecasters) {
    more.push_back(std::make_unique<Slow>(&clock, absl::Milliseconds(1)));
    forecaster = more.back().get();
  }
  Refits refits(&clock, absl::Milliseconds(2));
  EXPECT_EQ(refits.Run({}), 0u);
  for (int i = 0; i < 100; ++i) refits.Run({});
  EXPECT_EQ(refits.Run(forecasters), 20u) << "ten budgets";
  EXPECT_EQ(refits.Run(forecasters), 2u);
  for (int i = 0; i < 50; ++i) refits.Run(forecasters);
  EXPECT_EQ(refits.Run(forecasters), 0u) << "all have it";
  for (const auto& each : more) EXPECT_EQ(each->refits, 1);
}

}  // namespace
}  // namespace truce
