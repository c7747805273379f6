// The one list of methods that forecasts are made with and measured by: a new one joins here, and every command has it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "lab/forecast/others.h"
#include "models/forecast/forecaster.h"

namespace truce::lab {

// What a method is made for.
struct MethodSetting {
  // The most that a forecast has.
  size_t steps = 12;
  double spacing_seconds = 300;

  // How many values an hour and a day have; at least 1.
  size_t StepsPerHour() const;
  size_t StepsPerDay() const;
};

// Makes a forecaster for one series. May be called by several threads at once.
using MakeForecaster = std::function<std::unique_ptr<Forecaster>()>;

struct ForecastMethod {
  std::string name;
  std::string about;
  // Whether it learns from other series before it meets one.
  bool pooled = false;
  // Does that learning, if any, from `others`, which are not the series it is going to be asked about, or nothing that
  // comes after what it is asked about. Not for several threads.
  std::function<absl::StatusOr<MakeForecaster>(const MethodSetting& setting, Others& others)> prepare;
};

// In the order in which they are shown.
const std::vector<ForecastMethod>& ForecastMethods();

// Their names, with ", " in between.
std::string ForecastMethodNames();

// InvalidArgument that lists what there is.
absl::StatusOr<const ForecastMethod*> FindForecastMethod(std::string_view name);

}  // namespace truce::lab
