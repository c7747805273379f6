// Exponential smoothing: what it fits, what it chooses, what it does with gaps.
#include "models/forecast/ets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "models/forecast/arima.h"
#include "tests/models/forecast/processes.h"

namespace truce {
namespace {

EtsForm Form(const std::string& name) {
  const auto form = EtsForm::Parse(name);
  EXPECT_TRUE(form.ok()) << form.status();
  return form.value_or(EtsForm());
}

TEST(EtsFormTest, NamesAreReadBack) {
  for (const EtsForm& form : EtsForms(4, true)) EXPECT_EQ(Form(form.Name()), form) << form.Name();
  EXPECT_EQ(Form("ETS(M,Md,M)").Name(), "ETS(M,Md,M)");
  EXPECT_FALSE(EtsForm::Parse("ETS(N,N,N)").ok());
  EXPECT_FALSE(EtsForm::Parse("ETS(A,Nd,N)").ok());
}

TEST(EtsFormTest, ChoosesAmongAllFormsThatDataAllow) {
  EXPECT_EQ(EtsForms(12, true).size(), 15u);
  EXPECT_EQ(EtsForms(12, false).size(), 6u);
  EXPECT_EQ(EtsForms(1, true).size(), 6u);
}

// An impulse dies out under admissible parameters, when everything after it comes as 0, and only under them.
TEST(EtsFormTest, AdmissibleParametersForgetTheirFirstState) {
  std::mt19937 random(3);
  const auto uniform = [&](double low, double high) {
    return low + (high - low) * static_cast<double>(random() % 100000) / 100000;
  };
  int allowed = 0, refused = 0;
  for (int round = 0; round < 400; ++round) {
    const EtsForm form = Form(round % 2 == 0 ? "ETS(A,Ad,A)" : "ETS(A,Ad,N)");
    const size_t period = 2 + random() % 5;
    const EtsParameters parameters{uniform(0.01, 2.2), uniform(0, 1), uniform(0, 1.2), uniform(0.8, 0.98)};
    EtsModel model(form, parameters, period, {std::vector<double>(2 + period, 0), 0});
    ModelState state = model.state();
    model.Advance(state, 1);
    double early = 0, late = 0;
    for (int step = 0; step < 4000; ++step) {
      const double forecast = model.Mean(state);
      if (step < 200) early = std::max(early, std::fabs(forecast));
      if (step >= 3800) late = std::max(late, std::fabs(forecast));
      if (!(std::fabs(forecast) < 1e100)) {
        late = 1e100;
        break;
      }
      model.Advance(state, -forecast);
    }
    // Near the border neither is clear after so many steps.
    const bool dies = late < 1e-6 * early, grows = late >= 1e3 * early || late == 1e100;
    const bool admissible = Admissible(form, parameters, period);
    if (dies) {
      EXPECT_TRUE(admissible) << form.Name() << parameters.alpha << " " << parameters.beta;
    }
    if (grows) {
      EXPECT_FALSE(admissible) << form.Name() << parameters.alpha << " " << parameters.beta;
    }
    allowed += dies;
    refused += grows;
  }
  EXPECT_GT(allowed, 20);
  EXPECT_GT(refused, 20);
}

TEST(EtsTest, TheLikelihoodIsThatOfSimpleSmoothingByHand) {
  const std::vector<double> values = Arma(120, 0.7, 0, 0, 50, 1);
  const auto fit = FitEts(values, 1, EtsForm());
  ASSERT_TRUE(fit.ok()) << fit.status();
  double level = fit->first.numbers[0], squares = 0;
  for (const double value : values) {
    squares += (value - level) * (value - level);
    level += fit->model.parameters().alpha * (value - level);
  }
  EXPECT_NEAR(fit->log_likelihood, -60 * std::log(squares), 1e-9);
  EXPECT_NEAR(fit->aicc, 120 * std::log(squares) + 6 + 24.0 / 116, 1e-9);
  EXPECT_NEAR(fit->model.Mean(fit->model.state()), level, 1e-9);
  EXPECT_NEAR(fit->sigma2, squares / 118, 1e-9);
}

TEST(EtsTest, MultiplicativeErrorsAreRelative) {
  const std::vector<double> values = {100, 110, 104, 120, 118, 130, 141, 139, 150, 160};
  const auto fit = FitEts(values, 1, Form("ETS(M,N,N)"));
  ASSERT_TRUE(fit.ok()) << fit.status();
  double level = fit->first.numbers[0], squares = 0, logs = 0;
  for (const double value : values) {
    const double innovation = (value - level) / level;
    squares += innovation * innovation;
    logs += std::log(level);
    level *= 1 + fit->model.parameters().alpha * innovation;
  }
  EXPECT_NEAR(fit->log_likelihood, -5 * std::log(squares) - logs, 1e-9);
}

TEST(EtsTest, RecoversTheParametersOfALongSeries) {
  const EtsForm form = Form("ETS(A,Ad,A)");
  EtsModel truth(form, {0.5, 0.2, 0.2, 0.9}, 4, {{100, 1, 5, -3, 2, -4}, 0});
  ModelState state = truth.state();
  std::vector<double> values;
  for (const double innovation : Noise(2000, 5)) {
    values.push_back(truth.Mean(state) + innovation);
    truth.Advance(state, innovation);
  }
  const auto fit = FitEts(values, 4, form);
  ASSERT_TRUE(fit.ok()) << fit.status();
  EXPECT_NEAR(fit->model.parameters().alpha, 0.5, 0.08);
  EXPECT_NEAR(fit->model.parameters().beta, 0.2, 0.08);
  EXPECT_NEAR(fit->model.parameters().gamma, 0.2, 0.06);
  EXPECT_NEAR(fit->model.parameters().phi, 0.9, 0.05);
  EXPECT_NEAR(fit->sigma2, 1, 0.1);
}

TEST(EtsTest, ChoosesWhatTheSeriesHas) {
  const auto trend = SelectEts(Sums(Noise(300, 2), 3), 1);
  ASSERT_TRUE(trend.ok());
  EXPECT_NE(trend->model.form().trend, EtsPart::kNone);
  const auto season = SelectEts(Wave(120, 12, 10, 100, 2), 12);
  ASSERT_TRUE(season.ok());
  EXPECT_NE(season->model.form().season, EtsPart::kNone);
  const auto level = SelectEts(Noise(300, 2), 12);
  ASSERT_TRUE(level.ok());
  EXPECT_EQ(level->model.form().Name(), "ETS(A,N,N)");
  EXPECT_LT(level->model.parameters().alpha, 0.1);
}

TEST(EtsTest, GapsCarryNoInnovation) {
  std::vector<double> values = Sums(Noise(200, 3));
  values[50] = values[51] = values[120] = values[199] = kMissing;
  const auto fit = FitEts(values, 1, Form("ETS(A,A,N)"));
  ASSERT_TRUE(fit.ok()) << fit.status();
  ModelState state = fit->first;
  for (size_t i = 0; i < values.size(); ++i) {
    const double innovation = values[i] - fit->model.Mean(state);
    ASSERT_EQ(std::isnan(innovation), std::isnan(fit->innovations[i]));
    fit->model.Advance(state, std::isnan(innovation) ? 0 : innovation);
  }
  EXPECT_THAT(state.numbers, testing::Pointwise(testing::DoubleNear(1e-9), fit->model.state().numbers));
}

TEST(EtsTest, TheUnitOfTheSeriesDoesNotMatter) {
  const std::vector<double> values = Wave(96, 12, 10, 100, 4);
  for (const double unit : {1e-9, 1e12}) {
    std::vector<double> scaled = values;
    for (double& value : scaled) value *= unit;
    for (const char* name : {"ETS(A,A,A)", "ETS(M,N,M)"}) {
      const auto one = FitEts(values, 12, Form(name)), other = FitEts(scaled, 12, Form(name));
      ASSERT_TRUE(one.ok() && other.ok());
      EXPECT_NEAR(other->aicc, one->aicc + 2 * 96 * std::log(unit), 0.05) << name << unit;
    }
  }
}

TEST(EtsTest, RefusesWhatItCannotFit) {
  EXPECT_FALSE(FitEts({}, 1, EtsForm()).ok());
  EXPECT_FALSE(FitEts({kMissing}, 1, EtsForm()).ok());
  EXPECT_FALSE(FitEts({1.0, 0.0, 2.0}, 1, Form("ETS(M,N,N)")).ok());
  EXPECT_FALSE(FitEts({1.0, 2.0, 2.0}, 4, Form("ETS(A,N,A)")).ok());
  EXPECT_FALSE(FitEts(Noise(100, 1), 30, Form("ETS(A,N,A)")).ok());
}

TEST(EtsTest, SelectsOnAnythingThatHasAValue) {
  for (const std::vector<double>& values :
       {std::vector<double>{7}, {7, 8}, {7, kMissing, 9}, {0, 0, 0, 0, 0, 0, 0, 0}, std::vector<double>(50, 3.5)}) {
    const auto fit = SelectEts(values, 12);
    ASSERT_TRUE(fit.ok()) << values.size();
    const double mean = fit->model.Mean(fit->model.state());
    EXPECT_GE(mean, *std::min_element(values.begin(), values.end()) - 1e-9);
    EXPECT_LE(mean, 9 + 1e-9);
  }
}

}  // namespace
}  // namespace truce
