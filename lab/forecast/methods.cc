#include "lab/forecast/methods.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "lab/forecast/baselines.h"
#include "lab/forecast/own_methods.h"
#include "lab/forecast/point_method.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

constexpr double kHourSeconds = 3600;
constexpr double kDaySeconds = 24 * kHourSeconds;
constexpr size_t kAutoregressionOrder = 12;
constexpr size_t kPooledOrder = 24;
constexpr size_t kMeanOf = 12;

size_t StepsPer(double seconds, double spacing_seconds) {
  return static_cast<size_t>(std::max(1.0, std::round(seconds / spacing_seconds)));
}

using MakePoint = std::function<std::unique_ptr<PointMethod>(const MethodSetting&)>;

// A method that names a value, with quantiles from its own errors.
ForecastMethod Point(std::string name, std::string about, MakePoint make) {
  return {std::move(name), std::move(about), false, [make = std::move(make)](const MethodSetting& setting, Others&) {
            return MakeForecaster([=] { return WithOwnErrors(make(setting), setting.steps); });
          }};
}

// Adds a rule that names a capacity: as it is, and with quantiles from its own errors.
void AddRule(const std::string& name, const std::string& about, const MakePoint& make,
             std::vector<ForecastMethod>* methods) {
  methods->push_back({name, about, false, [make](const MethodSetting& setting, Others&) {
                        return MakeForecaster([=] { return AsItIs(make(setting)); });
                      }});
  methods->push_back(Point(name + "+errors", about + ", with quantiles from its own errors", make));
}

absl::StatusOr<MakeForecaster> PreparePooled(const MethodSetting& setting, Others& others) {
  TRUCE_ASSIGN_OR_RETURN(const PooledAutoregression fitted, FitPooledAutoregression(kPooledOrder, others.series()));
  return MakeForecaster([=] { return WithOwnErrors(NewPooledAutoregression(fitted), setting.steps); });
}

std::vector<ForecastMethod> MakeMethods() {
  std::vector<ForecastMethod> methods;
  methods.push_back(Point("naive", "the last value", [](const MethodSetting&) { return NewNaive(); }));
  methods.push_back(Point("seasonal-naive", "the value a day before",
                          [](const MethodSetting& setting) { return NewSeasonalNaive(setting.StepsPerDay()); }));
  methods.push_back(
      Point("mean-12", "the mean of the last 12", [](const MethodSetting&) { return NewMeanOfLast(kMeanOf); }));
  methods.push_back(Point("ar-12", "autoregression of order 12 of each series",
                          [](const MethodSetting&) { return NewAutoregression(kAutoregressionOrder); }));
  methods.push_back({"pooled-ar-24", "one autoregression of order 24 from other series", true, PreparePooled});
  AddRule(
      "max-hour", "the last hour's largest",
      [](const MethodSetting& setting) { return NewMaxOfLast(setting.StepsPerHour()); }, &methods);
  AddRule(
      "max-day", "the last day's largest",
      [](const MethodSetting& setting) { return NewMaxOfLast(setting.StepsPerDay()); }, &methods);
  AddRule(
      "max-hour-yesterday", "the largest of the last hour and of the same hour yesterday",
      [](const MethodSetting& setting) {
        return NewMaxOfHourAndYesterday(setting.StepsPerHour(), setting.StepsPerDay());
      },
      &methods);
  AddRule(
      "vpa", "Kubernetes' vertical pod autoscaler's decaying histogram",
      [](const MethodSetting& setting) { return NewDecayingHistogram(setting.StepsPerDay()); }, &methods);
  AddOwnMethods(&methods);
  return methods;
}

}  // namespace

size_t MethodSetting::StepsPerHour() const {
  return StepsPer(kHourSeconds, spacing_seconds);
}

size_t MethodSetting::StepsPerDay() const {
  return StepsPer(kDaySeconds, spacing_seconds);
}

const std::vector<ForecastMethod>& ForecastMethods() {
  static const std::vector<ForecastMethod> methods = MakeMethods();
  return methods;
}

std::string ForecastMethodNames() {
  std::string names;
  for (const ForecastMethod& method : ForecastMethods()) StrAppend(&names, names.empty() ? "" : ", ", method.name);
  return names;
}

absl::StatusOr<const ForecastMethod*> FindForecastMethod(std::string_view name) {
  for (const ForecastMethod& method : ForecastMethods()) {
    if (method.name == name) return &method;
  }
  return absl::InvalidArgumentError(
      StrCat("there is no method '", name, "' in this build; there are ", ForecastMethodNames()));
}

}  // namespace truce::lab
