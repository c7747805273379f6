#include "lab/forecast/own_methods.h"

#include <algorithm>
#include <cmath>
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

// As an agent has it: of each series it has seen nothing but what came, one value after another, and it refits on what
// it kept.
class Live final : public Forecaster {
 public:
  explicit Live(std::unique_ptr<Forecaster> forecaster) : forecaster_(std::move(forecaster)) {}

  absl::Status Fit(absl::Span<const double> history) override {
    const auto known = [](double value) { return std::isfinite(value); };
    const auto first = std::find_if(history.begin(), history.end(), known);
    const auto begun = static_cast<size_t>(first - history.begin());
    TRUCE_RETURN_IF_ERROR(forecaster_->Fit(history.subspan(begun, first == history.end() ? 0 : 1)));
    for (size_t i = begun + 1; i < history.size(); ++i) Observe(history[i]);
    return absl::OkStatus();
  }
  void Observe(double value) override {
    forecaster_->Observe(value);
    if (forecaster_->WantsRefit()) forecaster_->Refit();
  }
  absl::StatusOr<Forecast> Predict(size_t steps, absl::Span<const double> quantiles) const override {
    return forecaster_->Predict(steps, quantiles);
  }

 private:
  std::unique_ptr<Forecaster> forecaster_;
};

absl::StatusOr<MakeForecaster> PrepareLive(const MethodSetting& setting, Others& others) {
  TRUCE_ASSIGN_OR_RETURN(const SharedDemandModel model, others.TunedDemandModel(SeasonOf(setting)));
  return MakeForecaster([=]() -> std::unique_ptr<Forecaster> {
    return std::make_unique<Live>(NewAutoForecaster(model, SeasonOf(setting), {SeasonRule::Kind::kNone, {}}));
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
  methods->push_back({"lstm-shipped", "the demand LSTM as it comes with Truce", false, PrepareShipped});
  methods->push_back({"lstm", "the same, tuned on other series", true, PrepareLstm});
  methods->push_back({"auto", "lstm or base, whichever did better lately on the series", true, PrepareAuto});
  methods->push_back(
      {"auto-live", "auto without a history of the series but what came, refitted now and then", true, PrepareLive});
}

}  // namespace truce::lab
