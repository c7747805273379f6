// truce-lab summary: what a data set holds, for people and as figures.
#pragma once

#include <ostream>
#include <string>

#include "absl/status/statusor.h"
#include "src/base/figures.h"

namespace truce::lab {

// Reads the data set, writes a table of programs (how often they were slowed and how often they slowed others) to `out`
// unless `quiet`, and returns the figures that sum it up.
absl::StatusOr<FigureTable> Summarise(const std::string& file, std::ostream& out, bool quiet);

}  // namespace truce::lab
