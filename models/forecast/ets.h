// Exponential smoothing in state space form: fitting one form, and choosing among all. As R's forecast::ets does it, so
// that results can be compared (Hyndman, Koehler, Snyder, Grose, A state space framework for automatic forecasting
// using exponential smoothing methods, IJF 18(3), 2002; Hyndman et al. 2008). Pure.
#pragma once

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "models/forecast/ets_form.h"
#include "models/forecast/innovation_model.h"

namespace truce {

// State: level, trend, then one number for each phase of the season.
class EtsModel : public InnovationModel {
 public:
  EtsModel(const EtsForm& form, const EtsParameters& parameters, size_t period, ModelState first);

  double Mean(const ModelState& state) const override;
  double Unit(const ModelState& state) const override {
    return form_.error == EtsPart::kMultiplicative ? Mean(state) : 1;
  }
  // c_j of Hyndman et al. 2008, table 6.1 (class 1).
  std::vector<double> Weights(size_t steps) const override;
  void Advance(ModelState& state, double innovation) const override;

  const EtsForm& form() const { return form_; }
  const EtsParameters& parameters() const { return parameters_; }
  size_t period() const { return period_; }

 private:
  EtsForm form_;
  EtsParameters parameters_;
  size_t period_;
};

struct EtsFit {
  EtsModel model;    // after the newest value
  ModelState first;  // before the first one
  // As R prints them: the likelihood without its constant, -n/2 log(sum of squared innovations) - sum log |unit|, over
  // the n values that are there. AICc is infinite when there are too few values for the form's parameters.
  double log_likelihood = 0;
  double aicc = 0;
  // Variance of the innovations, by the degrees of freedom that are left.
  double sigma2 = 0;
  // One for each value, NaN at gaps.
  std::vector<double> innovations;
};

// Periods from which a season of its own state for each phase is too much: remove such seasons first (season.h).
inline constexpr size_t kLongestEtsPeriod = 24;

// Fits a form by likelihood: first states by the usual heuristics (2002, section 3.1), then states and parameters
// together, parameters within both the usual region (1e-4 <= alpha, beta/alpha, gamma/(1-alpha) <= 0.9999,
// 0.8 <= phi <= 0.98) and the admissible one. NaN are gaps: the state goes on with no innovation. InvalidArgument for
// less than one value (less than two seasons with a season), for values <= 0 with multiplicative forms, and for periods
// that don't go with the form.
absl::StatusOr<EtsFit> FitEts(absl::Span<const double> values, size_t period, const EtsForm& form);

// The form with the smallest AICc of those that `EtsForms` lists; simple smoothing when there are too few values for
// any. `period` 1 for no season; one that is longer than kLongestEtsPeriod or half the series counts as none.
// InvalidArgument when there is no value.
absl::StatusOr<EtsFit> SelectEts(absl::Span<const double> values, size_t period);

}  // namespace truce
