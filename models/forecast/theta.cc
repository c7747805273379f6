#include "models/forecast/theta.h"

#include "models/forecast/line.h"

namespace truce {

absl::StatusOr<EtsFit> FitTheta(absl::Span<const double> values) {
  absl::StatusOr<EtsFit> fit = FitEts(values, 1, EtsForm());
  if (!fit.ok()) return fit;
  const double drift = FitLine(values).slope / 2;
  const EtsForm with_drift{EtsPart::kAdditive, EtsPart::kAdditive, false, EtsPart::kNone};
  const EtsParameters parameters{fit->model.parameters().alpha, 0, 0, 1};
  // Filtering with the drift from one drift below the first level ends where smoothing without it and the method's
  // correction do.
  EtsModel model(with_drift, parameters, 1, {{fit->first.numbers[0] - drift, drift}, 0});
  std::vector<double> innovations;
  for (const double value : values) innovations.push_back(model.Observe(value));
  fit->model = std::move(model);
  fit->innovations = std::move(innovations);
  return fit;
}

}  // namespace truce
