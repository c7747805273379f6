// Several methods as one: at each step ahead, what that one says which lately did best there.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "models/forecast/demand_forecaster.h"
#include "models/forecast/forecaster.h"

namespace truce {

struct Contender {
  std::unique_ptr<Forecaster> method;
  // How many steps ahead it can look.
  size_t reach = 0;
  // Whether Refit fits it.
  bool refits = false;
};

// Each is judged by the quantile loss (Koenker and Bassett, Econometrica 46, 1978) of its 0.5 and 0.95 a few steps
// ahead, and, for peaks, of the 0.95 of the peak until there; old losses fade within some kFadingValues values ("follow
// the leader" with discounted losses: Cesa-Bianchi and Lugosi, "Prediction, Learning, and Games", 2006, section 2.11).
// The first contender is believed unless another loses 3 % less. All quantiles of a step are of one method, so they do
// not cross; peaks are no lower than values and than earlier peaks. Steps that the leader can't reach come from the
// best of those that can.
//
// Only who leads somewhere is asked for a forecast, and all are every third value, so that they can be judged.
//
// Fit judges on the newest quarter of the history (at most kFadingValues values), which the methods see for the first
// time then; those that had less than kEnoughFitted values before it are fitted to all of it afterwards. A method that
// can't be fitted takes no part; when none can, Fit says what the first said. At least one contender.
//
// Refit fits those that are made for it to the newest kKeptValues values. It wants that after as many new values as the
// last fit had, at least kFewestRefitted; after kRefitEvery when it had kKeptValues or more. How a method did before it
// was fitted anew still counts.
//
// Contenders that are led (LedForecaster) hear of pushes, and their steps can be made by a batch.
inline constexpr size_t kFadingValues = 288;
inline constexpr size_t kEnoughFitted = 1'000;
inline constexpr size_t kKeptValues = 288;
inline constexpr size_t kFewestRefitted = 48;
inline constexpr size_t kRefitEvery = 1440;
std::unique_ptr<LedForecaster> NewBestOf(std::vector<Contender> contenders);

}  // namespace truce
