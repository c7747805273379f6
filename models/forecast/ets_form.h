// The forms of exponential smoothing and the parameters that each may have. models/forecast/ets.h fits them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace truce {

// Error, trend and season are each none, additive or multiplicative; the error is never none.
enum class EtsPart { kNone, kAdditive, kMultiplicative };

struct EtsForm {
  EtsPart error = EtsPart::kAdditive;
  EtsPart trend = EtsPart::kNone;
  // Only with a trend.
  bool damped = false;
  EtsPart season = EtsPart::kNone;

  // "ETS(A,Ad,N)".
  std::string Name() const;
  // What Name says, back. InvalidArgument for anything else.
  static absl::StatusOr<EtsForm> Parse(const std::string& name);
  // Smoothing parameters, first states and the variance: what AICc counts. `period` matters with a season only.
  size_t Parameters(size_t period) const;
  // Forecasts and variances would be wrong on values <= 0.
  bool NeedsPositive() const {
    return error == EtsPart::kMultiplicative || trend == EtsPart::kMultiplicative || season == EtsPart::kMultiplicative;
  }
  bool operator==(const EtsForm&) const = default;
};

struct EtsParameters {
  double alpha = 0;  // of the level
  double beta = 0;   // of the trend, 0 without
  double gamma = 0;  // of the season, 0 without
  double phi = 1;    // damping, 1 without
};

// Whether old values lose their weight (Hyndman, Akram, Archibald, The admissible parameter space for exponential
// smoothing models, AISM 60, 2008; with a damped trend theirs is another beta, phi times ours). Holds for additive
// forms and is used for all, as the literature does.
bool Admissible(const EtsForm& form, const EtsParameters& parameters, size_t period);

// The forms among which a choice is made by likelihood. Left out, as usual, because their variance is infinite or
// their fit unstable: additive errors with a multiplicative season, and multiplicative trends (Hyndman et al. 2008,
// section 2.5 and chapter 15; FitEts still fits those when asked). `period` 1 for no season.
std::vector<EtsForm> EtsForms(size_t period, bool positive);

}  // namespace truce
