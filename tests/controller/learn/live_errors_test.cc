// Live errors: by model and application, fading, and bounded whatever hosts report.
#include "controller/learn/live_errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/base/text.h"

namespace truce::controller {
namespace {

using testing::SizeIs;

v1::ForecastErrors Errors(const std::string& model, const std::string& application, double loss, uint64_t count = 100,
                          int64_t ahead_s = 30) {
  v1::ForecastErrors errors;
  errors.set_model_sha256(model);
  errors.set_application(application);
  errors.set_resource(v1::RESOURCE_CPU);
  errors.mutable_ahead()->set_seconds(ahead_s);
  errors.set_count(count);
  errors.set_loss_sum(loss * static_cast<double>(count));
  errors.set_naive_loss_sum(static_cast<double>(count));
  errors.set_squared_gain_sum(static_cast<double>(count));
  errors.set_above_p95_count(count / 20);
  return errors;
}

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

TEST(LiveErrorsTest, AddsUpByModelHorizonAndApplication) {
  LiveErrors errors;
  errors.Observe(Errors("a", "cache", 0.8), kStart);
  errors.Observe(Errors("a", "batch", 1.0), kStart);
  errors.Observe(Errors("a", "cache", 0.6, 100, 60), kStart);
  errors.Observe(Errors("b", "cache", 2.0), kStart);
  ASSERT_THAT(errors.ByModel(), SizeIs(3));
  EXPECT_EQ(errors.ByModel()[0].model, "a");
  EXPECT_EQ(errors.ByModel()[0].ahead, absl::Seconds(30));
  EXPECT_NEAR(errors.ByModel()[0].errors.sum.Ratio(), 0.9, 1e-12);
  EXPECT_NEAR(errors.ByModel()[0].errors.AboveRatio(), 0.05, 1e-12);
  ASSERT_TRUE(errors.OfModel("a").has_value());
  EXPECT_NEAR(errors.OfModel("a")->Ratio(), 0.8, 1e-12);
  EXPECT_FALSE(errors.OfModel("c").has_value());
  const auto applications = errors.ByApplication(1);
  ASSERT_THAT(applications, SizeIs(1));
  EXPECT_EQ(applications[0].first, "cache") << "has the most forecasts";
}

TEST(LiveErrorsTest, WhatIsLongAgoFadesAndIsForgotten) {
  LiveErrors errors;
  errors.Observe(Errors("a", "cache", 2.0), kStart);
  errors.Observe(Errors("a", "cache", 0.5), kStart + 3 * LiveErrors::kHalfLife);
  EXPECT_NEAR(errors.OfModel("a")->Ratio(), (2.0 / 8 + 0.5) / (1.0 / 8 + 1), 1e-9);
  errors.Observe(Errors("b", "batch", 1.0), kStart + 30 * LiveErrors::kHalfLife);
  EXPECT_FALSE(errors.OfModel("a").has_value());
  EXPECT_THAT(errors.ByApplication(10), SizeIs(1));
}

TEST(LiveErrorsTest, ARiseIsOneAgainstWhatIsUsual) {
  LiveErrors errors;
  absl::Time now = kStart;
  const auto hours = [&](int count, double loss, double rare_loss = 0.8) {
    for (int i = 0; i < 60 * count; ++i) {
      now += absl::Minutes(1);
      errors.Observe(Errors("a", "cache", loss), now);
      errors.Observe(Errors("rare", "cache", rare_loss, 5), now);
    }
  };
  hours(12, 0.8);
  EXPECT_FALSE(errors.AnyHasRisen());
  hours(2, 0.8, 9.0);
  EXPECT_FALSE(errors.AnyHasRisen()) << "of a few forecasts";
  hours(2, 1.0);
  EXPECT_TRUE(errors.AnyHasRisen());
  hours(72, 1.0);
  EXPECT_FALSE(errors.AnyHasRisen()) << "that is usual by now";
  hours(4, 0.8);
  EXPECT_FALSE(errors.AnyHasRisen());
}

TEST(LiveErrorsTest, AClockThatIsSetBackFadesNothing) {
  LiveErrors errors;
  errors.Observe(Errors("a", "cache", 2.0), kStart);
  errors.Observe(Errors("a", "cache", 2.0), kStart - absl::Hours(10));
  EXPECT_NEAR(errors.OfModel("a")->count, 200, 1e-9);
}

TEST(LiveErrorsTest, IsBounded) {
  LiveErrors errors;
  for (int i = 0; i < 3'000; ++i) {
    errors.Observe(Errors(StrCat("model-", i), StrCat("application-", i), 1, 1 + static_cast<uint64_t>(i % 7)), kStart);
  }
  EXPECT_LE(errors.ByModel().size(), LiveErrors::kMostSeries);
  EXPECT_LE(errors.ByApplication(10'000).size(), LiveErrors::kMostApplications);
}

TEST(LiveErrorsTest, AbsurdLossesWeighLessAndKeepTheirRatio) {
  const LossSum sum = LossOf(Errors("a", "cache", 1e6, 10));
  EXPECT_LE(sum.loss / sum.count, 100 + 1e-9);
  EXPECT_NEAR(sum.Ratio(), 1e6, 1);
  EXPECT_EQ(LossOf(Errors("a", "cache", 3, 10)).loss, 30);
}

}  // namespace
}  // namespace truce::controller
