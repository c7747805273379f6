#include "models/forecast/auto_forecaster.h"

#include <utility>
#include <vector>

#include "models/forecast/best_of.h"

namespace truce {

std::unique_ptr<LedForecaster> NewAutoForecaster(std::shared_ptr<const DemandModel> model, size_t season_steps,
                                                 SeasonRule season) {
  constexpr size_t kAnyReach = 1'000'000;
  std::vector<Contender> contenders;
  contenders.push_back({NewDemandForecaster(std::move(model), season_steps), kDemandHorizons.back()});
  contenders.push_back({.method = NewBaseForecaster(std::move(season)), .reach = kAnyReach, .refits = true});
  contenders.push_back({NewNaiveForecaster(), kAnyReach});
  return NewBestOf(std::move(contenders));
}

}  // namespace truce
