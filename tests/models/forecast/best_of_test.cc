// Several methods as one: who leads, and what is said then.
#include "models/forecast/best_of.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace truce {
namespace {

using testing::HasSubstr;

// Says the newest value plus `off` at steps up to `turn`, and plus `later` beyond; its quantiles are `apart` from each
// other. The peak is `peak` above the value.
struct Says {
  double off = 0;
  double later = 0;
  size_t turn = 1000;
  double peak = 0;
  bool refuses_to_fit = false;
};

class Fake final : public Forecaster {
 public:
  explicit Fake(Says says, int* fits = nullptr) : says_(says), fits_(fits) {}
  absl::Status Fit(absl::Span<const double> history) override {
    if (fits_ != nullptr) ++*fits_;
    if (says_.refuses_to_fit || history.empty()) return absl::InvalidArgumentError("it will not");
    newest_ = history.back();
    return absl::OkStatus();
  }
  void Observe(double value) override {
    if (std::isfinite(value)) newest_ = value;
  }
  absl::StatusOr<Forecast> Predict(size_t steps, absl::Span<const double> quantiles) const override {
    Forecast forecast;
    forecast.steps = steps;
    forecast.quantiles.assign(quantiles.begin(), quantiles.end());
    for (size_t step = 1; step <= steps; ++step) {
      for (const double quantile : quantiles) {
        const double value = newest_ + (step <= says_.turn ? says_.off : says_.later) + 0.01 * quantile;
        forecast.values.push_back(value);
        forecast.peaks.push_back(value + says_.peak);
      }
    }
    return forecast;
  }

 private:
  Says says_;
  int* fits_;
  double newest_ = 0;
};

std::unique_ptr<Forecaster> Among(const std::vector<Says>& all, size_t reach_of_first = 1000) {
  std::vector<Contender> contenders;
  for (const Says& says : all) {
    contenders.push_back({std::make_unique<Fake>(says), contenders.empty() ? reach_of_first : 1000});
  }
  return NewBestOf(std::move(contenders));
}

const std::vector<double> kConstant(400, 10);

TEST(BestOfTest, AtEachStepTheOneThatIsRightThereIsBelieved) {
  const auto best = Among({{.off = 0, .later = 5, .turn = 2}, {.off = 5, .later = 0, .turn = 3}});
  ASSERT_TRUE(best->Fit(kConstant).ok());
  const auto forecast = best->Predict(12, {0.5});
  ASSERT_TRUE(forecast.ok());
  EXPECT_NEAR(forecast->Value(0, 0), 10, 0.1);
  for (size_t step = 3; step < 12; ++step) EXPECT_NEAR(forecast->Value(step, 0), 10, 0.1) << step;
}

TEST(BestOfTest, TheFirstIsBelievedUnlessAnotherIsClearlyBetter) {
  const auto close = Among({{.off = 1.0}, {.off = 0.99}});
  ASSERT_TRUE(close->Fit(kConstant).ok());
  EXPECT_NEAR(close->Predict(1, {0.5})->Value(0, 0), 11.005, 1e-9);
  const auto clear = Among({{.off = 1.0}, {.off = 0.9}});
  ASSERT_TRUE(clear->Fit(kConstant).ok());
  EXPECT_NEAR(clear->Predict(1, {0.5})->Value(0, 0), 10.905, 1e-9);
}

TEST(BestOfTest, ALeaderThatIsWrongNowLosesTheLead) {
  const auto best = Among({{.off = 0}, {.off = 1}});
  ASSERT_TRUE(best->Fit(kConstant).ok());
  double value = 10;
  EXPECT_NEAR(best->Predict(1, {0.5})->Value(0, 0), value, 0.1);
  for (int i = 0; i < 600; ++i) best->Observe(value += 1);
  EXPECT_NEAR(best->Predict(1, {0.5})->Value(0, 0), value + 1, 0.1) << "it rises by one with each step by now";
}

TEST(BestOfTest, PeaksAreJudgedOnTheirOwnAndNeverBelowValuesOrEarlierPeaks) {
  // The first knows the value, the second that nothing rises above it.
  const auto best = Among({{.off = 0, .peak = 7}, {.off = -3, .peak = 3}});
  ASSERT_TRUE(best->Fit(kConstant).ok());
  const auto forecast = best->Predict(12, {0.05, 0.95});
  ASSERT_TRUE(forecast.ok());
  for (size_t step = 0; step < 12; ++step) {
    EXPECT_NEAR(forecast->Peak(step, 1), 10, 0.1);
    for (size_t q = 0; q < 2; ++q) {
      EXPECT_GE(forecast->Peak(step, q), forecast->Value(step, q));
      if (step > 0) {
        EXPECT_GE(forecast->Peak(step, q), forecast->Peak(step - 1, q));
      }
    }
  }
}

TEST(BestOfTest, StepsThatTheLeaderCanNotReachComeFromTheOther) {
  const auto best = Among({{.off = 0}, {.off = 2}}, 12);
  ASSERT_TRUE(best->Fit(kConstant).ok());
  const auto forecast = best->Predict(20, {0.5});
  ASSERT_TRUE(forecast.ok());
  EXPECT_NEAR(forecast->Value(11, 0), 10, 0.1);
  EXPECT_NEAR(forecast->Value(12, 0), 12, 0.1);
}

TEST(BestOfTest, WhoCanNotBeFittedTakesNoPart) {
  const auto one = Among({{.refuses_to_fit = true}, {.off = 2}});
  ASSERT_TRUE(one->Fit(kConstant).ok());
  EXPECT_NEAR(one->Predict(1, {0.5})->Value(0, 0), 12, 0.1);
  const auto none = Among({{.refuses_to_fit = true}, {.refuses_to_fit = true}});
  EXPECT_THAT(none->Fit(kConstant).message(), HasSubstr("it will not"));
  EXPECT_TRUE(absl::IsFailedPrecondition(none->Predict(1, {0.5}).status()));
}

TEST(BestOfTest, AfterAShortHistoryAllOfItIsFitted) {
  int fits = 0;
  std::vector<Contender> contenders;
  contenders.push_back({std::make_unique<Fake>(Says(), &fits), 1000});
  const auto best = NewBestOf(std::move(contenders));
  ASSERT_TRUE(best->Fit(kConstant).ok());
  EXPECT_EQ(fits, 2) << "the head, and then all";
  fits = 0;
  ASSERT_TRUE(best->Fit(std::vector<double>(2000, 1)).ok());
  EXPECT_EQ(fits, 1);
  EXPECT_TRUE(best->Fit({3}).ok());
  EXPECT_NEAR(best->Predict(1, {0.5})->Value(0, 0), 3, 0.1);
}

// Counts what it is asked, and keeps what it was last fitted to.
class Counting final : public Forecaster {
 public:
  Counting(double off, int* asked, std::vector<double>* history) : off_(off), asked_(asked), history_(history) {}
  absl::Status Fit(absl::Span<const double> history) override {
    history_->assign(history.begin(), history.end());
    return absl::OkStatus();
  }
  void Observe(double) override {}
  absl::StatusOr<Forecast> Predict(size_t steps, absl::Span<const double> quantiles) const override {
    ++*asked_;
    const std::vector<double> all(steps * quantiles.size(), 10 + off_);
    return Forecast{steps, {quantiles.begin(), quantiles.end()}, all, all};
  }

 private:
  double off_;
  int* asked_;
  std::vector<double>* history_;
};

TEST(BestOfTest, OnlyWhoLeadsIsAsked) {
  int right = 0, wrong = 0;
  std::vector<double> history;
  std::vector<Contender> contenders;
  contenders.push_back({std::make_unique<Counting>(5, &wrong, &history), 1000});
  contenders.push_back({std::make_unique<Counting>(0, &right, &history), 1000});
  const auto best = NewBestOf(std::move(contenders));
  ASSERT_TRUE(best->Fit(kConstant).ok());
  right = wrong = 0;
  EXPECT_EQ(best->Predict(12, {0.5})->Value(11, 0), 10);
  EXPECT_EQ(right, 1);
  EXPECT_EQ(wrong, 0);
}

TEST(BestOfTest, ARefitSeesTheNewestValuesAndIsOfThoseThatAreMadeForIt) {
  int asked = 0;
  std::vector<double> kept, other;
  std::vector<Contender> contenders;
  contenders.push_back({std::make_unique<Counting>(0, &asked, &other), 1000});
  contenders.push_back({.method = std::make_unique<Counting>(1, &asked, &kept), .reach = 1000, .refits = true});
  const auto best = NewBestOf(std::move(contenders));
  ASSERT_TRUE(best->Fit({1.0}).ok());
  double value = 1;
  const auto observe_until_it_wants = [&] {
    size_t count = 0;
    for (; !best->WantsRefit(); ++count) best->Observe(++value);
    return count;
  };
  EXPECT_EQ(observe_until_it_wants(), kFewestRefitted);
  best->Refit();
  EXPECT_EQ(kept.size(), kFewestRefitted + 1);
  EXPECT_EQ(kept.back(), value);
  EXPECT_EQ(other.size(), 1u);
  EXPECT_EQ(observe_until_it_wants(), kFewestRefitted + 1);
  for (int i = 0; i < 500; ++i) best->Observe(++value);
  best->Observe(NAN);
  best->Refit();
  ASSERT_EQ(kept.size(), kKeptValues);
  EXPECT_TRUE(std::isnan(kept.back())) << "a gap is kept as one";
  for (size_t i = 0; i + 1 < kept.size(); ++i) EXPECT_EQ(kept[i], value - static_cast<double>(kKeptValues - 2 - i));
  EXPECT_EQ(observe_until_it_wants(), kRefitEvery);
  EXPECT_FALSE(Among({{.off = 0}})->WantsRefit()) << "none is made for it";
}

TEST(BestOfTest, GapsAreNotJudged) {
  const auto best = Among({{.off = 0}, {.off = 1}});
  ASSERT_TRUE(best->Fit(kConstant).ok());
  for (int i = 0; i < 50; ++i) best->Observe(NAN);
  const auto forecast = best->Predict(12, {0.5});
  ASSERT_TRUE(forecast.ok());
  EXPECT_NEAR(forecast->Value(11, 0), 10, 0.1);
}

}  // namespace
}  // namespace truce
