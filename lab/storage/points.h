// Every run of a measurement as CSV, for whoever wants to see what a model was made from.
#pragma once

#include <iosfwd>

#include "lab/storage/measure.h"

namespace truce::lab {

// One line per run and direction: what was measured, what the model says of that load, and whether it was fitted to it.
void WritePoints(const StorageOutcome& outcome, std::ostream& out);

}  // namespace truce::lab
