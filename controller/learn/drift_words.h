// Drift in words and on the wire. Pure.
#pragma once

#include <string>

#include "controller/fleet/fleet.h"
#include "models/drift/drift_watch.h"
#include "models/drift/episodes.h"
#include "src/base/reading.h"
#include "truce/v1/drift.pb.h"
#include "truce/v1/types.pb.h"

namespace truce::controller {

// Readings as a sample without times.
Sample SampleOf(const v1::Readings& readings);

v1::TraitShift ShiftOnWire(const DriftWatch::Shift& shift);

// "page faults per cpu second 120 -> 4500, cpu system ratio 0.1 -> 0.35": the strongest three.
std::string SayShifts(const std::vector<DriftWatch::Shift>& shifts);

// With how much of the increase there is room for, where the host says how busy the resource is: CPU and memory.
v1::PredictedIncrease PredictionOnWire(const HostState& host, const Episodes::Prediction& prediction);

}  // namespace truce::controller
