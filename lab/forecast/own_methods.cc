#include "lab/forecast/own_methods.h"

#include <cmath>
#include <cstdio>
#include <memory>
#include <utility>

#include "models/forecast/best_of.h"
#include "models/forecast/demand_forecaster.h"
#include "models/forecast/methods.h"
#include "models/training/demand_trainer.h"
#include "models/training/made_up_demand.h"
#include "src/base/status.h"

namespace truce::lab {
namespace {

using SharedModel = std::shared_ptr<const DemandModel>;

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

absl::StatusOr<SharedModel> TrainOn(const MethodSetting& setting, absl::Span<const Series> others) {
  std::vector<DemandSeries> series;
  for (const Series& one : others) series.push_back({one.values, SeasonOf(setting)});
  const auto report = [](const DemandEpoch& epoch) {
    std::fprintf(stderr, "training the LSTM: %d of %d passes, loss %.4f\n", epoch.epoch, epoch.epochs, epoch.loss);
    return true;
  };
  TRUCE_ASSIGN_OR_RETURN(DemandModel model, TrainDemand(series, {}, report));
  return std::make_shared<const DemandModel>(std::move(model));
}

absl::StatusOr<MakeForecaster> PrepareMadeUp(const MethodSetting& setting, absl::Span<const Series>) {
  const std::vector<MadeUpDemand> made = MakeUpDemand(2'500, 600, 1);
  std::vector<DemandSeries> series;
  for (const MadeUpDemand& one : made) series.push_back({one.values, one.season_steps});
  const auto report = [](const DemandEpoch& epoch) {
    std::fprintf(stderr, "training the LSTM: %d of %d passes, loss %.4f\n", epoch.epoch, epoch.epochs, epoch.loss);
    return true;
  };
  TRUCE_ASSIGN_OR_RETURN(DemandModel model, TrainDemand(series, {}, report));
  auto shared = std::make_shared<const DemandModel>(std::move(model));
  return MakeForecaster([=] { return NewDemandForecaster(shared, SeasonOf(setting)); });
}

using MakeOwn = std::unique_ptr<Forecaster> (*)(const MethodSetting&);

ForecastMethod Own(std::string name, std::string about, MakeOwn make) {
  return {std::move(name), std::move(about), false, [make](const MethodSetting& setting, absl::Span<const Series>) {
            return MakeForecaster([=] { return make(setting); });
          }};
}

absl::StatusOr<MakeForecaster> PrepareLstm(const MethodSetting& setting, absl::Span<const Series> others) {
  TRUCE_ASSIGN_OR_RETURN(const SharedModel model, TrainOn(setting, others));
  return MakeForecaster([=] { return NewDemandForecaster(model, SeasonOf(setting)); });
}

absl::StatusOr<MakeForecaster> PrepareAuto(const MethodSetting& setting, absl::Span<const Series> others) {
  absl::StatusOr<SharedModel> model = TrainOn(setting, others);
  if (absl::IsInvalidArgument(model.status())) {
    std::fprintf(stderr, "auto goes without the LSTM: %s\n", std::string(model.status().message()).c_str());
    return MakeForecaster([=] { return NewBaseForecaster(DayIfThere(setting)); });
  }
  TRUCE_RETURN_IF_ERROR(model.status());
  return MakeForecaster([=, model = *model] {
    constexpr size_t kAnyReach = 1'000'000;
    std::vector<Contender> contenders;
    contenders.push_back({NewDemandForecaster(model, SeasonOf(setting)), kDemandHorizons.back()});
    contenders.push_back({NewBaseForecaster(DayIfThere(setting)), kAnyReach});
    contenders.push_back({NewNaiveForecaster(), kAnyReach});
    return NewBestOf(std::move(contenders));
  });
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
  methods->push_back({"lstm", "the demand LSTM, trained on other series", true, PrepareLstm});
  methods->push_back({"lstm-made-up", "the demand LSTM, trained on made-up series", false, PrepareMadeUp});
  methods->push_back({"auto", "lstm or base, whichever did better lately on the series", true, PrepareAuto});
}

}  // namespace truce::lab
