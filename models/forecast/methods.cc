#include "models/forecast/methods.h"

#include <utility>

#include "models/forecast/arima.h"
#include "models/forecast/ets.h"
#include "models/forecast/model_forecaster.h"
#include "models/forecast/theta.h"

namespace truce {
namespace {

FittedModel Fitted(EtsFit fit) {
  const size_t parameters = fit.model.form().Parameters(fit.model.period()) - 1;
  return {std::make_unique<EtsModel>(std::move(fit.model)), std::move(fit.innovations), parameters};
}

absl::StatusOr<FittedModel> FitByEts(absl::Span<const double> values, size_t period) {
  absl::StatusOr<EtsFit> fit = SelectEts(values, period);
  if (!fit.ok()) return fit.status();
  return Fitted(*std::move(fit));
}

absl::StatusOr<FittedModel> FitByArima(absl::Span<const double> values, size_t period) {
  absl::StatusOr<ArimaFit> fit = SelectArima(values, period);
  if (!fit.ok()) return fit.status();
  const size_t parameters = fit->model.order().Parameters() - 1;
  return FittedModel{std::make_unique<ArimaModel>(std::move(fit->model)), std::move(fit->innovations), parameters};
}

absl::StatusOr<FittedModel> FitBySes(absl::Span<const double> values, size_t) {
  absl::StatusOr<EtsFit> fit = FitEts(values, 1, EtsForm());
  if (!fit.ok()) return fit.status();
  return Fitted(*std::move(fit));
}

absl::StatusOr<FittedModel> FitByTheta(absl::Span<const double> values, size_t) {
  absl::StatusOr<EtsFit> fit = FitTheta(values);
  if (!fit.ok()) return fit.status();
  return Fitted(*std::move(fit));
}

// Smoothing that forgets everything but the newest value.
absl::StatusOr<FittedModel> FitByNewest(absl::Span<const double> values, size_t) {
  ModelState first{{0, 0}, 0};
  for (size_t i = values.size(); i-- > 0;)
    if (values[i] == values[i]) first.numbers[0] = values[i];
  auto model = std::make_unique<EtsModel>(EtsForm(), EtsParameters{1, 0, 0, 1}, 1, first);
  std::vector<double> innovations;
  for (const double value : values) innovations.push_back(model->Observe(value));
  return FittedModel{std::move(model), std::move(innovations), 0};
}

}  // namespace

std::unique_ptr<ModelForecaster> NewEtsModelForecaster(SeasonRule season) {
  return std::make_unique<ModelForecaster>(FitByEts, kLongestEtsPeriod, std::move(season));
}

std::unique_ptr<ModelForecaster> NewArimaModelForecaster(SeasonRule season) {
  return std::make_unique<ModelForecaster>(FitByArima, kLongestArimaPeriod, std::move(season));
}

std::unique_ptr<ModelForecaster> NewSesModelForecaster(SeasonRule season) {
  return std::make_unique<ModelForecaster>(FitBySes, 1, std::move(season));
}

std::unique_ptr<ModelForecaster> NewNaiveModelForecaster() {
  return std::make_unique<ModelForecaster>(FitByNewest, 1, SeasonRule{SeasonRule::Kind::kNone, {}});
}

std::unique_ptr<Forecaster> NewEtsForecaster(SeasonRule season) {
  return NewEtsModelForecaster(std::move(season));
}

std::unique_ptr<Forecaster> NewArimaForecaster(SeasonRule season) {
  return NewArimaModelForecaster(std::move(season));
}

std::unique_ptr<Forecaster> NewSesForecaster(SeasonRule season) {
  return NewSesModelForecaster(std::move(season));
}

std::unique_ptr<Forecaster> NewThetaForecaster(SeasonRule season) {
  return std::make_unique<ModelForecaster>(FitByTheta, 1, std::move(season));
}

std::unique_ptr<Forecaster> NewNaiveForecaster() {
  return NewNaiveModelForecaster();
}

}  // namespace truce
