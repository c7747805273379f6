// What truce-lab fleet shows.
#pragma once

#include <ostream>

#include "lab/fleet/experiment.h"
#include "src/base/figures.h"

namespace truce::lab::fleet {

// For a person: what is known of interference beside what the shipped model knows, a line for each policy, and what
// ours is worth against the best of the others.
void WriteFleet(const FleetResult& result, std::ostream& out);
// All of it, and with both kinds of policy "reached (KNOWLEDGE)": 1 when ours cuts mean and 99th percentile of critical
// workloads' slowdown by half, or needs 15 % fewer hosts for the same; its target.
FigureTable FleetFigures(const FleetResult& result);

}  // namespace truce::lab::fleet
