// Where exponential smoothing begins: first states guessed from the first values. Used by models/forecast/ets.cc.
#pragma once

#include "absl/types/span.h"
#include "models/forecast/ets_form.h"
#include "models/forecast/innovation_model.h"

namespace truce {

// The heuristics of Hyndman et al. 2002, section 3.1: the season by a classical decomposition (by a straight line when
// there are less than three seasons), then the level and the trend by a line through the first values of what is left.
// `values` without gaps, at least one, and two seasons with a season.
ModelState EtsStart(absl::Span<const double> values, size_t period, const EtsForm& form);

}  // namespace truce
