#include "lab/forecast/own_methods.h"

#include <memory>
#include <utility>

#include "lab/forecast/demand_models.h"
#include "lab/forecast/others.h"
#include "models/forecast/auto_forecaster.h"
#include "models/forecast/demand_forecaster.h"
#include "models/forecast/methods.h"
#include "src/base/status.h"

namespace truce::lab {
namespace {

// A day is looked back by, where it has enough values to be told from an hour.
size_t SeasonOf(const MethodSetting& setting) {
  constexpr size_t kFewestADay = 24;
  const size_t day = setting.StepsPerDay();
  return day >= kFewestADay ? day : 0;
}

// A season of a day where the series has one.
SeasonRule DayIfThere(const MethodSetting& setting) {
  const size_t day = setting.StepsPerDay();
  if (day < 2) return {SeasonRule::Kind::kNone, {}};
  return {SeasonRule::Kind::kAmong, {day}};
}

using MakeOwn = std::unique_ptr<Forecaster> (*)(const MethodSetting&);

ForecastMethod Own(std::string name, std::string about, MakeOwn make) {
  return {std::move(name), std::move(about), false,
          [make](const MethodSetting& setting, Others&) { return MakeForecaster([=] { return make(setting); }); }};
}

MakeForecaster LstmOf(const MethodSetting& setting, const SharedDemandModel& model) {
  return [=] { return NewDemandForecaster(model, SeasonOf(setting)); };
}

absl::StatusOr<MakeForecaster> PrepareShipped(const MethodSetting& setting, Others&) {
  TRUCE_ASSIGN_OR_RETURN(const SharedDemandModel model, ShippedDemandModel());
  return LstmOf(setting, model);
}

absl::StatusOr<MakeForecaster> PrepareLstm(const MethodSetting& setting, Others& others) {
  TRUCE_ASSIGN_OR_RETURN(const SharedDemandModel model, others.TunedDemandModel(SeasonOf(setting)));
  return LstmOf(setting, model);
}

absl::StatusOr<MakeForecaster> PrepareAuto(const MethodSetting& setting, Others& others) {
  TRUCE_ASSIGN_OR_RETURN(const SharedDemandModel model, others.TunedDemandModel(SeasonOf(setting)));
  return MakeForecaster([=] { return NewAutoForecaster(model, SeasonOf(setting), DayIfThere(setting)); });
}

}  // namespace

void AddOwnMethods(std::vector<ForecastMethod>* methods) {
  methods->push_back(
      Own("ses", "simple exponential smoothing", [](const MethodSetting&) { return NewSesForecaster(); }));
  methods->push_back(Own("ets", "exponential smoothing, chosen by AICc",
                         [](const MethodSetting& setting) { return NewEtsForecaster(DayIfThere(setting)); }));
  methods->push_back(Own("arima", "ARIMA with automatic order",
                         [](const MethodSetting& setting) { return NewArimaForecaster(DayIfThere(setting)); }));
  methods->push_back(
      Own("theta", "Theta", [](const MethodSetting& setting) { return NewThetaForecaster(DayIfThere(setting)); }));
  methods->push_back(Own("base", "the best of these on each series' own past",
                         [](const MethodSetting& setting) { return NewBaseForecaster(DayIfThere(setting)); }));
  methods->push_back({"lstm-shipped", "the demand LSTM as it comes with Truce", false, PrepareShipped});
  methods->push_back({"lstm", "the same, tuned on other series", true, PrepareLstm});
  methods->push_back({"auto", "lstm or base, whichever did better lately on the series", true, PrepareAuto});
}

}  // namespace truce::lab
