// The comparison with R: its file is understood, and a difference is told.
#include "lab/forecast/conformance.h"

#include <gtest/gtest.h>

#include <sstream>

#include "models/forecast/arima.h"
#include "models/forecast/ets.h"
#include "models/forecast/theta.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

constexpr double kValues[] = {12, 15, 11, 14, 18, 13, 12, 16, 15, 11, 14, 13, 17, 12, 15, 14, 16, 11, 13, 15};

std::string Repeated(double value) {
  return StrCat(value, " ", value, " ", value);
}

// What R would have to say of the values, if it fitted exactly as we do, but for `error` in ARIMA's forecasts.
std::string Reference(double error) {
  const auto ets = FitEts(kValues, 1, EtsForm());
  const auto arima = FitArima(kValues, {0, 0, 0, 0, 0, 0, 1, true});
  const auto theta = FitTheta(kValues);
  const double level = ets->model.Mean(ets->model.state());
  std::string text = "series Made freq 1 n 20\ny";
  for (const double value : kValues) StrAppend(&text, "  ", value);
  StrAppend(&text, "\nets ETS(A,N,N) aicc ", ets->aicc, " loglik ", ets->log_likelihood, " mse 1 par alpha 0 l 0");
  StrAppend(&text, "\nets_fc ", Repeated(level), "\narima 0,0,0 aicc ", arima->aicc,
            " loglik 0 sigma2 1 coef intercept 13.8");
  StrAppend(&text, "\narima_fc ", Repeated(arima->model.Mean(arima->model.state()) * (1 + error)));
  StrAppend(&text, "\nses alpha 0.1 fc ", level, "\ntheta_fc ", theta->model.Mean(theta->model.state()), "\n");
  return text;
}

TEST(ConformanceTest, AgreementMeetsEveryTargetAndADifferenceIsTold) {
  for (const double error : {0.0, 0.02}) {
    std::istringstream in(Reference(error));
    const auto references = ReadReferences(in);
    ASSERT_TRUE(references.ok()) << references.status();
    const auto table = Conform(*references);
    ASSERT_TRUE(table.ok()) << table.status();
    for (const Figure& figure : table->figures()) {
      const bool wrong = error > 0 && figure.name == "Made: ARIMA(0,0,0) with mean, forecasts apart from R's";
      if (figure.target) {
        EXPECT_EQ(figure.Met(), !wrong) << figure.name << figure.value;
      }
    }
    EXPECT_EQ(table->AllMet(), error == 0);
  }
}

TEST(ConformanceTest, ReadsOrders) {
  std::istringstream in(
      "series S freq 12 n 3\ny 1 2 3\nets ETS(M,Ad,A) aicc -5.5 loglik 1\nets_fc 1 2\n"
      "arima 1,0,2,2,1,0,12 aicc 7 loglik 1 sigma2 2 coef ar1 0.5 drift 0.1\narima_fc 3 4\nses alpha 1 fc 9\ntheta_fc "
      "8\n");
  const auto references = ReadReferences(in);
  ASSERT_TRUE(references.ok()) << references.status();
  EXPECT_EQ((*references)[0].arima, (ArimaOrder{1, 0, 2, 2, 1, 0, 12, true}));
  EXPECT_EQ((*references)[0].ets.Name(), "ETS(M,Ad,A)");
  EXPECT_EQ((*references)[0].ets_aicc, -5.5);
  EXPECT_EQ((*references)[0].ses_forecast, 9);
}

TEST(ConformanceTest, SaysWhichLineIsWrong) {
  for (const auto& [text, said] :
       std::vector<std::pair<std::string, std::string>>{{"", "no series"},
                                                        {"y 1 2", "line 1"},
                                                        {"series A freq 0 n 3", "line 1"},
                                                        {"series A freq 1 n 3\ny 1 x", "line 2"},
                                                        {"series A freq 1 n 3\nets ETS(X) aicc 3", "line 2"},
                                                        {"series A freq 1 n 3\narima 1,2 aicc 3", "line 2"},
                                                        {"series A freq 1 n 3\ny 1 2 3", "A lacks"}}) {
    std::istringstream in(text);
    const auto references = ReadReferences(in);
    ASSERT_FALSE(references.ok()) << text;
    EXPECT_NE(references.status().message().find(said), absl::string_view::npos) << references.status();
  }
}

}  // namespace
}  // namespace truce::lab
