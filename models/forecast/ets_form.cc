#include "models/forecast/ets_form.h"

#include <cmath>

#include "models/forecast/roots.h"
#include "src/base/text.h"

namespace truce {
namespace {

constexpr EtsPart kParts[] = {EtsPart::kNone, EtsPart::kAdditive, EtsPart::kMultiplicative};

const char* Letter(EtsPart part) {
  switch (part) {
    case EtsPart::kNone:
      return "N";
    case EtsPart::kAdditive:
      return "A";
    case EtsPart::kMultiplicative:
      return "M";
  }
  return "?";
}

}  // namespace

std::string EtsForm::Name() const {
  return StrCat("ETS(", Letter(error), ",", Letter(trend), damped ? "d" : "", ",", Letter(season), ")");
}

absl::StatusOr<EtsForm> EtsForm::Parse(const std::string& name) {
  for (const EtsPart error : {EtsPart::kAdditive, EtsPart::kMultiplicative}) {
    for (const EtsPart trend : kParts) {
      for (const bool damped : {false, true}) {
        if (damped && trend == EtsPart::kNone) continue;
        for (const EtsPart season : kParts) {
          const EtsForm form{error, trend, damped, season};
          if (form.Name() == name) return form;
        }
      }
    }
  }
  return absl::InvalidArgumentError(StrCat(name, " is no form of exponential smoothing such as ETS(A,Ad,N)"));
}

size_t EtsForm::Parameters(size_t period) const {
  size_t count = 3;  // alpha, the first level, the variance
  if (trend != EtsPart::kNone) count += 2;
  if (damped) ++count;
  if (season != EtsPart::kNone) count += period;  // gamma and all but one of the first seasonal states
  return count;
}

bool Admissible(const EtsForm& form, const EtsParameters& parameters, size_t period) {
  const auto [alpha, beta, gamma, phi] = parameters;
  // What the trend adds one step later.
  const double next = phi * beta;
  if (form.season == EtsPart::kNone) {
    if (alpha < 1 - 1 / phi || alpha > 1 + 1 / phi) return false;
    return form.trend == EtsPart::kNone || (next >= alpha * (phi - 1) && next <= (1 + phi) * (2 - alpha));
  }
  // The moving average polynomial of the reduced form, (1 - phi L)(1 - L^m) times the impulse response.
  std::vector<double> polynomial(period + 1, alpha + next - alpha * phi);
  polynomial[0] = alpha + next - phi;
  polynomial[period - 1] = alpha + next - alpha * phi + gamma - 1;
  polynomial[period] = phi * (1 - alpha - gamma);
  // Without a trend one root is 1 by construction, so the circle is a little smaller than the unit circle.
  constexpr double kNearlyOne = 1 - 1e-6;
  return RootsOutside(polynomial, kNearlyOne);
}

std::vector<EtsForm> EtsForms(size_t period, bool positive) {
  std::vector<EtsForm> forms;
  for (const EtsPart error : {EtsPart::kAdditive, EtsPart::kMultiplicative}) {
    for (const EtsPart trend : {EtsPart::kNone, EtsPart::kAdditive}) {
      for (const bool damped : {false, true}) {
        if (damped && trend == EtsPart::kNone) continue;
        for (const EtsPart season : kParts) {
          const EtsForm form{error, trend, damped, season};
          if (season != EtsPart::kNone && period < 2) continue;
          if (form.NeedsPositive() && !positive) continue;
          if (error == EtsPart::kAdditive && season == EtsPart::kMultiplicative) continue;
          forms.push_back(form);
        }
      }
    }
  }
  return forms;
}

}  // namespace truce
