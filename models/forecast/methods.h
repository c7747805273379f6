// The statistical methods as forecasters: exponential smoothing, ARIMA, Theta, and the choice among them that Truce
// builds on. All of them draw paths (paths.h); none knows anything but the series itself.
#pragma once

#include <memory>
#include <vector>

#include "models/forecast/forecaster.h"

namespace truce {

// Where a method's season comes from. Whatever it is, a season needs two periods of history.
struct SeasonRule {
  enum class Kind {
    kFound,  // any period, if the series has a season (season.h)
    kAmong,  // one of `periods`, if the series has such a season
    kGiven,  // the first of `periods`, untested
    kNone,
  };
  Kind kind = Kind::kFound;
  std::vector<size_t> periods;
};

// What all of these have in common. Fit takes the newest 2,000 values for its parameters (1,000 for orders of ARIMA)
// and the newest 14 periods for the season; infinite values count as gaps. Seasons that a method can't model itself
// (ETS up to 24 steps, ARIMA up to 12, the others none) are taken off before and added after. A series that was never
// negative is not forecast to be, and no path leaves what was seen by more than its range. With too few values for any
// model what is left is the level: simple smoothing for ETS and Theta, the mean for ARIMA. A series that never changed
// goes on as it was.
// ETS by AICc (ets.h).
std::unique_ptr<Forecaster> NewEtsForecaster(SeasonRule season = {});
// ARIMA with automatic order (arima.h).
std::unique_ptr<Forecaster> NewArimaForecaster(SeasonRule season = {});
// Simple exponential smoothing.
std::unique_ptr<Forecaster> NewSesForecaster(SeasonRule season = {SeasonRule::Kind::kNone, {}});
// Theta (theta.h).
std::unique_ptr<Forecaster> NewThetaForecaster(SeasonRule season = {});
// The newest value goes on, as a random walk whose steps are those that were (so with their drift, if they have one).
std::unique_ptr<Forecaster> NewNaiveForecaster();

// The base of Truce's forecasts: those of the above, with and without the season, that did best on the newest quarter
// of the history (at most 288 values, the models fitted to what was before it; quantile loss of 0.5 and 0.95 over 12
// steps). The best three, as far as they lose at most 15 % more than the best, are fitted to the whole history (unless
// there were 200 values before the tail: then they stay as they were judged, taken through the tail), and their
// paths are averaged, which have their innovations in common (paths.h), so that their quantiles are, near enough, with
// weights that fall with the square of the loss (quantiles rather than probabilities:
// Lichtendahl, Grushka-Cockayne, Winkler, Is it better to average probabilities or quantiles?, Management Science
// 59(7), 2013). As the naive method is among them, it is not much worse than that on any series that goes on as it was.
// With less than 48 values there is no tail to judge by: SES and naive, half each.
std::unique_ptr<Forecaster> NewBaseForecaster(SeasonRule season = {});

}  // namespace truce
