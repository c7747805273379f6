// The demand model that comes with Truce can be read, and tells more than the last value does.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "models/forecast/demand_forecaster.h"
#include "models/forecast/demand_model_file.h"
#include "models/training/made_up_demand.h"

namespace truce {
namespace {

TEST(ShippedDemandTest, IsOfThisVersionAndBetterThanTheLastValue) {
  const std::string path = std::string(TRUCE_SOURCE_DIR) + "/models/pretrained/demand.truce";
  std::ifstream file(path, std::ios::binary);
  ASSERT_TRUE(file) << path;
  std::ostringstream bytes;
  bytes << file.rdbuf();
  const auto content = ParseDemandModel(bytes.str(), path);
  ASSERT_TRUE(content.ok()) << content.status();
  const auto model = std::make_shared<const DemandModel>(content->model);
  double logs = 0;
  int series = 0, below = 0, all = 0;
  // A seed that it was not trained with.
  for (const MadeUpDemand& made : MakeUpDemand(60, 600, 12345)) {
    const auto forecaster = NewDemandForecaster(model, made.season_steps);
    ASSERT_TRUE(forecaster->Fit(absl::MakeConstSpan(made.values).first(300)).ok());
    double error = 0, naive = 0, last = made.values[299];
    for (size_t i = 300; i < made.values.size(); ++i) {
      const double value = made.values[i];
      const auto forecast = forecaster->Predict(1, {0.5, 0.95});
      ASSERT_TRUE(forecast.ok());
      forecaster->Observe(value);
      if (std::isnan(value)) continue;
      if (!std::isnan(last)) {
        error += std::abs(forecast->Value(0, 0) - value);
        naive += std::abs(last - value);
        below += value <= forecast->Value(0, 1) ? 1 : 0;
        ++all;
      }
      last = value;
    }
    if (naive <= 0) continue;
    logs += std::log((error + 1e-9 * naive) / naive);
    ++series;
  }
  EXPECT_LT(std::exp(logs / series), 0.95) << "geometric mean of its error over that of the last value";
  EXPECT_NEAR(static_cast<double>(below) / all, 0.95, 0.02);
}

}  // namespace
}  // namespace truce
